"""A gateway of which five times as much is asked as it can do, as a process, with the load from a second one."""

from pathlib import Path

import httpx
import pytest
from databases import database
from servers import serving

from benchmarks.overload import Flooded, measure
from benchmarks.population import Population
from benchmarks.reads import prepare


def flood(folder: Path, persons: int, seconds: int) -> Flooded:
    with database("sqlite", folder) as url:
        prepare(url, Population(persons, 1, 0.3), persons)
        return measure(url, range(persons), seconds, 5.0, folder)


def holds(seen: Flooded) -> None:
    """Everybody who got through to us was served or refused; health and tokens as if nothing were; no traceback."""
    assert {one.status for one in seen.told} <= {200, 503}
    assert seen.with_status(503), "five times the capacity cannot be served"
    assert seen.watch.took
    assert seen.watch.wrong == []
    assert "Traceback" not in seen.said


def test_five_times_the_capacity_is_served_or_refused_and_never_lost(tmp_path: Path) -> None:
    seen = flood(tmp_path, 12, 3)
    holds(seen)
    # Of processor time, not of the clock: other tests run beside this one.
    assert seen.thrift > 0.3


@pytest.mark.nightly
def test_five_times_the_capacity_for_a_minute(tmp_path: Path) -> None:
    """At least 80 % of the capacity is served well, and after it everything is as it was."""
    seen = flood(tmp_path, 100, 60)
    holds(seen)
    assert seen.thrift > 0.8
    assert len(seen.with_status(200)) / 60 > 0.8 * seen.able


def test_a_record_that_is_asked_too_often_and_others_beside_it(tmp_path: Path) -> None:
    overload = {"person_per_second": 0.001, "person_burst": 3}
    with database("sqlite", tmp_path) as url:
        prepare(url, Population(2, 1, 0.3), 2)
        with (
            serving(url, world=False, overload=overload) as server,
            httpx.Client(base_url=server.base) as web,
        ):

            def read(number: int) -> httpx.Response:
                headers = {"authorization": f"Bearer benchmark-token-{number:08}", "accept": ""}
                return web.get("/ziekenhuiszandoord/48/fhir/Patient", headers=headers)

            asked = [read(0) for _ in range(4)]
            assert [one.status_code for one in asked] == [200, 200, 200, 429]
            assert int(asked[-1].headers["retry-after"]) > 0
            assert asked[-1].json()["issue"][0]["code"] == "throttled"
            assert read(1).status_code == 200
