"""Fixtures of the authorization stories: a house on each database. A conftest imports what its stories use."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from databases import database
from sqlalchemy import Engine
from world.auth_house import House, empty

from auth.store.store import engine_for

__all__ = ["anyio_backend", "engine", "engines", "house", "house_with"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Engine]]:
    folder = tmp_path_factory.mktemp("auth")
    with database("sqlite", folder) as file, database("postgresql", folder) as server:
        engines = {"sqlite": engine_for(file), "postgres": engine_for(server)}
        yield engines
        for engine in engines.values():
            engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, engines: dict[str, Engine]) -> Engine:
    chosen = engines[request.param]
    empty(chosen)
    return chosen


@pytest.fixture
def house(engine: Engine) -> House:
    return House(engine)


@pytest.fixture
def house_with(engine: Engine) -> Callable[..., House]:
    def build(**settings: Any) -> House:
        return House(engine, **settings)

    return build
