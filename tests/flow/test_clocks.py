"""A node whose clock is wrong: on PostgreSQL the time of the database decides how long tokens and codes live."""

import asyncio
import json
import logging
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from databases import KINDS, database
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from servers import settings_for
from sqlalchemy import select, update
from world.intake_house import source

from auth.errors import BearerError
from auth.grants import Grant
from auth.ports import Peer
from auth.store.rows import milliseconds, utc_now
from auth.store.tables import access_tokens
from benchmarks.population import Population
from benchmarks.reads import prepare, token
from gateway.cli.context import as_served
from gateway.cli.db import upgrade
from gateway.intake.login import ASSERTION_TYPE
from gateway.intake.settings import IntakeSettings
from gateway.store.engine import open_engine
from gateway.store.schema import intake_token
from gateway.wiring import wire
from gateway.wiring.intake import wire_intake

SLOW = timedelta(minutes=10)


def slow() -> datetime:
    return utc_now() - SLOW


def lives(url: str, left: timedelta) -> None:
    """The token of the first person expires so much from now, by a clock that is right."""
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(update(access_tokens).values(expires=milliseconds(utc_now() + left)))
    engine.dispose()


async def used(url: str) -> Grant | None:
    """The token at a node whose clock is ten minutes slow; None when it is refused."""
    wiring = wire(as_served(settings_for(url, 8080)), system=slow)
    try:
        wiring.clock.ask()
        return await wiring.auth.bearer.check(f"Bearer {token(0)}", Peer(None))
    except BearerError:
        return None
    finally:
        await wiring.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_with_a_slow_clock_does_not_take_a_token_for_longer(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with database(kind, tmp_path) as url:
        prepare(url, Population(1, 1, 0.1), 1)
        lives(url, timedelta(minutes=5))
        assert asyncio.run(used(url)) is not None
        lives(url, -timedelta(seconds=2))
        found = asyncio.run(used(url))
    if kind == "sqlite":
        assert found is not None, "a file has no time of its own: one process, one clock"
        return
    assert found is None
    assert "600 seconds apart" in caplog.text


def test_codes_and_sessions_go_by_the_same_clock(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as url:
        prepare(url, Population(1, 1, 0.1), 1)
        wiring = wire(as_served(settings_for(url, 8080)), system=slow)
        assert utc_now() - wiring.auth.parts.clock() > SLOW / 2, "until the database was asked there is only this clock"
        wiring.clock.ask()
        assert wiring.auth.parts.clock() >= utc_now() - timedelta(seconds=1)
        asyncio.run(wiring.close())


@pytest.mark.parametrize("kind", KINDS)
def test_the_tokens_of_sources_go_by_the_same_clock(kind: str, tmp_path: Path) -> None:
    """A node of the intake whose clock is ten minutes slow takes no token for longer, and gives none for longer."""
    key = ECKey.generate_key("P-256", {"kid": "k"})
    file = tmp_path / "epd.json"
    file.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        section = IntakeSettings(sources={"epd": source(auth={"kind": "private_key_jwt", "keys": str(file)})})
        made = wire_intake(settings_for(url, 8080).model_copy(update={"intake": section}), system=slow)
        made.clock.ask()
        now = int(time.time() if kind == "postgresql" else slow().timestamp())
        claims = {"iss": "epd", "sub": "epd", "aud": made.logins.token_url, "exp": now + 240, "iat": now, "jti": "1"}
        signed = jwt.encode({"alg": "ES256", "kid": "k"}, claims, key)
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": signed,
        }
        given = str(made.logins.token(form)["access_token"])
        assert made.logins.is_source("epd", Peer(None), f"Bearer {given}")
        with engine.begin() as connection:
            kept = connection.execute(select(intake_token.c.expires)).scalar_one()
            assert abs(kept - now - section.token_seconds) < 60
            connection.execute(update(intake_token).values(expires=int(time.time()) - 2))
        late = made.logins.is_source("epd", Peer(None), f"Bearer {given}")
        asyncio.run(made.close())
        engine.dispose()
    assert late is (kind == "sqlite"), "a file has no time of its own: one process, one clock"
