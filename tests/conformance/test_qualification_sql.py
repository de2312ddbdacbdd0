"""The official BgZ data in a relational EHR behind the mapping of the sql adapter: do the scripts pass, is it the same?

The values of the fixtures stand in the tables of the sample EHR (ehr_of_fixtures), and the gateway makes them FHIR
again. The scripts look at numbers, profiles and references; the second story compares every value.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from conformance.ehr_of_fixtures.differences import LISTED, Difference, compared
from conformance.ehr_of_fixtures.rows import fill_postgres, fill_sqlite, profile_of, rows_of
from conformance.ehr_of_fixtures.values import key_in_ehr, values, with_contained
from databases import KINDS, database
from qualifying import PROVIDER, complaint, run_scripts, today
from servers import Running, serving
from shared import shared

from adapters.sql import sample
from gateway.sections import ProviderSettings
from gateway.store.engine import open_engine
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.walk import references
from profiles.standards.load import catalogue
from profiles.validation.run.evaluate import validator
from workbench.qualify.files import Files, open_files
from workbench.qualify.loadset import QualificationSet, load_set, token_table
from workbench.qualify.results import Status
from workbench.qualify.stored import StoredSet

SERVICE = "48"
PACKAGES = ("zib2017-2.2.18", "bgz-1.1.1", "eafspraak-1.0.6")
BGZ = catalogue().standards["bgz-3"]
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
        StoredSet(engine, server.settings, loaded.bsn).tokens(loaded.tokens(PROVIDER, [SERVICE]))
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
    with httpx.Client(timeout=20, headers={"accept": "application/fhir+json"}) as client:
        for token in there.loaded.patients.values():
            client.headers["authorization"] = f"Bearer {token.token}"
            for rule in BGZ.rules:
                path = f"{base}/{rule.type}" + (f"/${rule.operation}" if rule.operation else "")
                bundle = ask(client, path, [(one.name, one.value) for one in rule.required])
                for entry in bundle.get("entry", ()):
                    found[f"{entry['resource']['resourceType']}/{entry['resource']['id']}"] = entry["resource"]
            while missing := _pointed_at(found) - found.keys():
                found |= {one: ask(client, f"{base}/{one}") for one in missing}
    return found


def ask(client: httpx.Client, url: str, query: Sequence[tuple[str, str]] = ()) -> Resource:
    answer = client.get(url, params=list(query))
    assert answer.status_code == 200, f"{url}: {answer.text}"
    return jsonio.parse(answer.content)


def _pointed_at(found: dict[str, Resource]) -> set[str]:
    """What the resources refer to and this data service hands out."""
    held = (local_reference(node["reference"]) for node in references(list(found.values())))
    return {"/".join(one) for one in held if one and one[0] in BGZ.types}


@pytest.mark.parametrize("kind", KIND)
def test_every_value_of_the_fixtures_comes_back(tmp_path: Path, kind: str) -> None:
    """But for what fixture_differences lists, line by line; a line that nothing needs any more fails too."""
    with house(kind, tmp_path) as there:
        given = fetched(there)
    fixtures = list(with_contained([item.resource for item in there.loaded.items]))
    served = [one for one in fixtures if one["resourceType"] in BGZ.types]
    assert {one["resourceType"] for one in fixtures} - BGZ.types == {"PractitionerRole", "Location"}
    made = [counterpart(one, given) for one in served]
    assert sorted(map(reference, made)) == sorted(given), "one resource for each fixture, and no other"
    ours = {reference(one): f"{one['resourceType']}/{key_in_ehr(one)}" for one in fixtures}
    back = {reference(one): ours[reference(fixture)] for fixture, one in zip(served, made, strict=True)}
    found = {
        Difference(profile_of(fixture), *difference)
        for fixture, one in zip(served, made, strict=True)
        for difference in compared(values(fixture, ours), values(one, back))
    }
    assert sorted(one for one in found if not any(line.explains(one) for line in LISTED)) == []
    assert [line for line in LISTED if not any(line.explains(one) for one in found)] == []


def test_what_the_mapping_makes_of_the_fixtures_meets_the_profiles(tmp_path: Path) -> None:
    """The demo's data leave many columns empty, the fixtures fill nearly all. Faults of the fixtures come back too."""
    judge = validator(FhirVersion.STU3, [shared("packages", f"nictiz.fhir.nl.stu3.{name}.tgz") for name in PACKAGES])

    def faults(resources: Iterable[Resource]) -> Counter[tuple[str, str, str]]:
        return Counter(
            (one["resourceType"], finding.expression, finding.text_en)
            for one in resources
            for finding in judge.validate(one).findings
            if finding.severity in ("error", "warning")
        )

    with house("sqlite", tmp_path) as there:
        given = fetched(there)
    assert faults(given.values()) - faults(item.resource for item in there.loaded.items) == Counter()


def reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def counterpart(fixture: Resource, given: dict[str, Resource]) -> Resource:
    """What the gateway made of a fixture: the mapping may put the kind of record before the row's key."""
    kind, key = fixture["resourceType"], key_in_ehr(fixture)
    (one,) = (given[name] for name in given if re.fullmatch(rf"{kind}/([a-z]+-)?{re.escape(key)}", name))
    return one
