"""Delivery of the chain log (LOG-03, LOG-05, LOG-06, LOG-08): queued on disk, sent in batches, never in the way."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from databases import KINDS, database
from servers import serving
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.chainlog import ChainLog
from gateway.sections import ChainLogSettings
from gateway.store.engine import open_engine
from gateway.store.schema import chain_event, metadata
from workbench.pgo.parcels import example
from workbench.statictokens import StaticToken, issue

URL = "https://api.medmij.example/eagleeye/v1/logs"


class Component:
    """The central component: keeps what it gets, and can be away."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self.calls = 0
        self.away = False
        self.app = Starlette(routes=[Route("/eagleeye/v1/logs", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.calls += 1
        if self.away:
            return Response(status_code=503)
        self.events += json.loads(await request.body())
        return Response(status_code=202)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app))


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_delivered_stays_and_comes_later(kind: str, tmp_path: Path) -> None:
    component = Component()
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        metadata.create_all(engine)
        settings = ChainLogSettings(url=URL, batch_bytes=10_000)
        chain = ChainLog(engine, settings, component.client)
        for number in range(500):
            chain.put(json.dumps({"event": {"type": "x", "number": number, "padding": "p" * 60}}).encode())
        assert chain.keep() == 500
        component.away = True
        with pytest.raises(httpx.HTTPStatusError):
            asyncio.run(chain.deliver())
        with engine.connect() as connection:
            assert connection.execute(select(func.count()).select_from(chain_event)).scalar_one() == 500
        # The batch that failed belongs to that attempt for a while; another process takes the others.
        component.away = False
        delivered = asyncio.run(ChainLog(engine, settings, component.client).deliver())
        assert 0 < delivered < 500
        assert component.calls > 3
        numbers = [one["event"]["number"] for one in component.events]  # type: ignore[index]
        assert len(set(numbers)) == len(numbers) == delivered
        engine.dispose()


def test_events_survive_a_stop(tmp_path: Path) -> None:
    component = Component()
    engine = open_engine(f"sqlite:///{tmp_path}/gateway.db")
    metadata.create_all(engine)
    first = ChainLog(engine, ChainLogSettings(url=URL), component.client)
    first.put(b'{"event":{}}')
    first.close()
    assert asyncio.run(ChainLog(engine, ChainLogSettings(url=URL), component.client).deliver()) == 1
    engine.dispose()


def test_without_an_address_nothing_is_kept_and_http_is_refused(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/gateway.db")
    metadata.create_all(engine)
    chain = ChainLog(engine, ChainLogSettings(), Component().client)
    chain.put(b"{}")
    assert chain.keep() == 0
    engine.dispose()
    with pytest.raises(ValueError, match="https"):
        ChainLogSettings(url="http://api.medmij.example/logs")


def test_a_resource_request_leaves_its_two_events_and_nothing_personal(tmp_path: Path) -> None:
    """DL-C45, DL-94, LOG-04: the same two for what is sent as for what is collected, and nothing of the content."""
    url = f"sqlite:///{tmp_path}/gateway.db"
    traces = {"48": "6f4f1f0e-6a3e-4bd5-9d0a-2f8c4f5b1a01", "9008": "6f4f1f0e-6a3e-4bd5-9d0a-2f8c4f5b1a02"}
    # Nobody listens there: the exchange does not notice.
    with serving(url, chain_log={"url": "http://127.0.0.1:9/logs", "seconds": 3600.0}) as server:
        engine = open_engine(url)
        issue(engine, server.settings, [
            StaticToken(token=f"token-of-service-{id_}", provider="ziekenhuiszandoord", services=[id_], bsn="999951750")
            for id_ in traces
        ])  # fmt: skip
        for id_, trace in traces.items():
            address = f"{server.base}/ziekenhuiszandoord/{id_}/fhir"
            headers = {
                "authorization": f"Bearer token-of-service-{id_}",
                "x-correlation-id": trace,
                "medmij-request-id": trace,
                "content-type": "application/fhir+json",
            }
            if id_ == "48":
                answer = httpx.get(f"{address}/Condition", headers=headers)
            else:
                answer = httpx.post(address, headers=headers, content=example("weights", "Joke")[1])
            assert answer.status_code == 200
    with engine.connect() as connection:
        events = [json.loads(row.body) for row in connection.execute(select(chain_event).order_by(chain_event.c.pk))]
    engine.dispose()
    for id_, trace in traces.items():
        shown = [one for one in events if one["event"].get("trace_id") == trace and "resource" in one["event"]["type"]]
        assert [one["event"]["type"] for one in shown] == ["receive_resource_request", "send_resource_response"]
        assert shown[1]["response"] == {"id": trace, "status": 200}
        assert shown[0]["request"]["service_id"] == int(id_)
    for word in ("999951750", "71.9", "29463-7", "Observation", "token-of-service"):
        assert word not in json.dumps(events)
