"""The official BgZ data in a relational EHR behind the mapping of the sql adapter: do the scripts pass, is it the same?

The values of the fixtures stand in the tables of the sample EHR (ehr_of_fixtures), and the gateway makes them FHIR
again. The scripts look at numbers, profiles and references; the second story compares every value.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from conformance import fixture_differences as allowed
from conformance.ehr_of_fixtures import fill_postgres, fill_sqlite, profile_of, rows_of
from conformance.fixture_values import Values, key_in_ehr, values, with_contained
from databases import KINDS, database
from qualifying import PROVIDER, complaint, run_scripts, today
from servers import Running, serving
from shared import shared

from adapters.sql import sample
from gateway.intake.sink import StoreSink
from gateway.qualify.files import Files, open_files
from gateway.qualify.loadset import QualificationSet, load_set, token_table
from gateway.qualify.results import Status
from gateway.settings import ProviderSettings
from gateway.store.engine import open_engine
from profiles.fhir import jsonio
from profiles.fhir.tree import Resource, local_reference, references
from profiles.standards.load import catalogue

SERVICE = "48"
KIND = [pytest.param(kind, marks=pytest.mark.postgres if kind == "postgresql" else ()) for kind in KINDS]


@dataclass(frozen=True)
class House:
    """A gateway whose one source is the EHR with the data of the set."""

    server: Running
    files: Files
    start: str
    loaded: QualificationSet


@contextmanager
def house(kind: str, folder: Path) -> Iterator[House]:
    place = shared("qualification", "STU3/BgZ-3-0/MedMij/Test")
    files, start = open_files(place)
    loaded = load_set(files, start, token_table(files, place), today())
    with ExitStack() as stack:
        rows = rows_of(loaded)
        if kind == "sqlite":
            ehr = fill_sqlite(rows, folder / "epd.db")
        else:
            ehr = fill_postgres(rows, stack.enter_context(database(kind, folder)))
        source = {"type": "sql", "name": "epd", "url": ehr, "mapping": str(sample.MAPPING)}
        given = ProviderSettings(display_name="Ziekenhuis het Hogeland", services=(SERVICE,), sources=(source,))
        url = stack.enter_context(database("sqlite", folder))
        server = stack.enter_context(serving(url, world=False, providers={PROVIDER: given}))
        engine = open_engine(url)
        StoreSink(engine, server.settings, loaded.bsn).tokens(loaded.tokens(PROVIDER, [SERVICE]))
        engine.dispose()
        yield House(server, files, start, loaded)


@pytest.mark.parametrize("kind", KIND)
def test_all_bgz_scripts_pass_over_the_sql_adapter(official_packages: None, tmp_path: Path, kind: str) -> None:
    with house(kind, tmp_path) as there:
        scripts = run_scripts(there.server, there.files, there.start, SERVICE, ["XIS-Server"])
    assert [complaint(script) for script in scripts if script.status is not Status.PASSED] == []
    assert len(scripts) == 104


def fetched(there: House) -> dict[str, Resource]:
    """Everything that the two patients get: the answers to the rows of the BgZ, and what these refer to."""
    base = f"{there.server.base}/{PROVIDER}/{SERVICE}/fhir"
    found: dict[str, Resource] = {}
    with httpx.Client(timeout=20) as client:
        for token in there.loaded.patients.values():
            client.headers = httpx.Headers({"authorization": f"Bearer {token.token}", "accept": "application/fhir+json"})
            for rule in catalogue().standards["bgz-3"].rules:
                path = f"{base}/{rule.type}" + (f"/${rule.operation}" if rule.operation else "")
                answer = client.get(path, params=[(one.name, one.value) for one in rule.required])
                assert answer.status_code == 200, f"{rule.id}: {answer.text}"
                for entry in jsonio.parse(answer.content).get("entry", ()):
                    found[f"{entry['resource']['resourceType']}/{entry['resource']['id']}"] = entry["resource"]
            while missing := _pointed_at(found) - found.keys():
                for one in missing:
                    answer = client.get(f"{base}/{one}")
                    assert answer.status_code == 200, f"{one}: {answer.text}"
                    found[one] = jsonio.parse(answer.content)
    return found


def _pointed_at(found: dict[str, Resource]) -> set[str]:
    held = (local_reference(node["reference"]) for node in references(list(found.values())))
    return {"/".join(one) for one in held if one}
