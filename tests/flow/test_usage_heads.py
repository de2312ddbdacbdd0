"""What is counted of steps is signed outside the database: a run that is cut off together with its row is seen."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from databases import KINDS, database
from sqlalchemy import delete, select
from world.usage_house import UsageHouse

from gateway.audit.signing import open_heads, stated_heads
from gateway.settings import load
from gateway.store.counts import usage_chain, usage_event
from gateway.usage.proof import signed
from gateway.usage.signing import StepHeads

AT = datetime(2026, 3, 9, 10, tzinfo=UTC)


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UsageHouse]:
    with database(request.param, tmp_path) as url:
        made = UsageHouse(url, tmp_path)
        secret = base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()
        more = f'[audit]\nplaces = ["file://{tmp_path}/heads.jsonl"]\nsigning_key = "{secret}"\n'
        made.config.write_text(made.config.read_text() + more)
        made.visit(AT)
        yield made
        made.engine.dispose()


def cut(house: UsageHouse) -> str:
    """Who can write in the database takes out a whole run, and the row that says how far it was."""
    with house.engine.begin() as connection:
        chain = str(connection.execute(select(usage_chain.c.chain)).scalars().first())
        connection.execute(delete(usage_event).where(usage_event.c.chain == chain))
        connection.execute(delete(usage_chain).where(usage_chain.c.chain == chain))
    return chain


def test_a_run_that_is_taken_out_whole_is_seen(house: UsageHouse) -> None:
    """RP-35: signed by command, and then held to what was signed."""
    assert house.run("audit", "sign").exit_code == 0
    assert house.run("audit", "verify").exit_code == 0
    chain = cut(house)
    done = house.run("audit", "verify", "--json")
    assert done.exit_code == 1
    assert (chain, "cut") in [(one["chain"], one["kind"]) for one in json.loads(done.stdout)["faults"]]


def test_a_running_process_signs_its_own_chain(house: UsageHouse) -> None:
    """RP-35: beside the heads of the trail, at the same places; once for each number."""
    settings = load(house.config)
    heads = open_heads(settings.audit)
    assert heads is not None
    with house.engine.connect() as connection:
        chain, number = connection.execute(select(usage_chain.c.chain, usage_chain.c.sequence)).one()
    for _ in range(2):
        StepHeads(house.engine, chain, heads).state()
    told, faults = stated_heads(settings.audit)
    assert [(one.chain, one.sequence) for one in told] == [(chain, number)]
    assert faults == []
    cut(house)
    with house.engine.connect() as connection:
        assert [one.kind for one in signed(connection, told)] == ["cut"]
        # What was signed before the end of its retention may be gone.
        assert list(signed(connection, told, datetime.now(UTC) + timedelta(days=1))) == []
