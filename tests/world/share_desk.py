"""Somebody at work in the hospital who decides on what citizens sent, and the EHR that it goes to."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from world.share_house import ANNA, PROVIDER, ShareHouse, now

from adapters.filing.fhir import FhirWriteBack
from adapters.filing.port import WriteBack
from adapters.filing.settings import FhirFiling
from gateway.share.deeds import Deeds
from gateway.share.filing import Outbox
from gateway.share.inbox import Inbox, Opened
from gateway.share.keep import Keys
from gateway.store.engine import reading
from gateway.store.shared import filing
from gateway.wiring import keys_of
from gateway.wiring.sharing import targets_of

NURSE = "jansen@zandoord.example"


class Ehr:
    """A FHIR server that files once by identifier. ``down``: how often it does not answer; ``refuses``: never takes."""

    def __init__(self) -> None:
        self.patients = {ANNA: "ehr-7"}
        self.filed: dict[str, dict[str, Any]] = {}
        self.down = 0
        self.refuses = False
        self.asked = 0
        self.app = Starlette(
            routes=[
                Route("/fhir/Patient/_search", self.search, methods=["POST"]),
                Route("/fhir/{type}", self.create, methods=["POST"]),
                Route("/fhir", self.transaction, methods=["POST"]),
            ]
        )

    async def search(self, request: Request) -> Response:
        number = str((await request.form())["identifier"]).rpartition("|")[2]
        found = [
            {"resource": {"resourceType": "Patient", "id": id_}} for bsn, id_ in self.patients.items() if bsn == number
        ]
        return JSONResponse({"resourceType": "Bundle", "type": "searchset", "entry": found})

    async def create(self, request: Request) -> Response:
        self.asked += 1
        if self.down:
            self.down -= 1
            return JSONResponse({}, 503)
        if self.refuses:
            return JSONResponse({}, 422)
        resource = json.loads(await request.body())
        name = request.headers["if-none-exist"]
        new = name not in self.filed
        self.filed.setdefault(name, resource)
        number = list(self.filed).index(name) + 1
        return JSONResponse({}, 201 if new else 200, {"location": f"/fhir/{resource['resourceType']}/{number}"})

    async def transaction(self, request: Request) -> Response:
        body = json.loads(await request.body())
        entries = []
        for number, one in enumerate(body["entry"], 1):
            kind = one["resource"]["resourceType"]
            self.filed[one["request"].get("ifNoneExist", f"{kind}-{number}")] = one["resource"]
            entries.append({"response": {"status": "201", "location": f"{kind}/{number}"}})
        return JSONResponse({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})


class Staff:
    """Somebody at work in the hospital."""

    def __init__(self, house: ShareHouse, *ways: WriteBack) -> None:
        self.house = house
        self.ways = {PROVIDER: {one.name: one for one in ways}}
        self.outbox = Outbox(house.engine, house.settings.share, Keys(*keys_of(house.settings)), self.ways)

    def do(self, deed: Callable[[Deeds], object], at: Any = None) -> None:
        """One deed, in a transaction."""
        with self.house.engine.begin() as connection:
            deed(Deeds(connection, NURSE, at or now(), targets_of(self.ways)))

    def open(self, id_: str) -> Opened:
        """A submission whole."""
        with reading(self.house.engine).connect() as connection:
            return Inbox(connection).open(id_)

    def file(self, at: Any = None) -> int:
        """One round of the outbox."""

        async def go() -> int:
            return await self.outbox.round(at or now())

        return asyncio.run(go())

    def only(self) -> str:
        """The one submission in the inbox."""
        (line,) = self.house.lines(open_only=False)
        return line.id

    def states(self) -> dict[str, int]:
        """What became of its items."""
        return dict(self.house.lines(open_only=False)[0].states)

    def rows(self) -> list[str]:
        """The states of all rows of the outbox."""
        with reading(self.house.engine).connect() as connection:
            return list(connection.execute(select(filing.c.state).order_by(filing.c.pk)).scalars())


def fhir_way(ehr: Ehr, **more: Any) -> FhirWriteBack:
    """The write-back to the FHIR server."""
    settings = FhirFiling.model_validate({"type": "fhir", "name": "ehr", "url": "https://ehr.example/fhir"} | more)
    return FhirWriteBack(settings, httpx.ASGITransport(app=ehr.app))
