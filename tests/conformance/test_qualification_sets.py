"""The official qualification scripts against the running gateway: what they ask is answered, what they assert holds.

Fixtures are loaded with dates relative to today. Profile asserts are evaluated with the official packages.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from databases import KINDS, database
from qualifying import PROVIDER, complaint, run_scripts, today
from servers import Running, serving
from shared import shared

from gateway.intake.outcome import ImportOutcome
from gateway.sections import ResourceServer
from gateway.store.engine import open_engine
from workbench.qualify.files import open_files
from workbench.qualify.loadset import load_set, token_table
from workbench.qualify.results import ScriptResult, Status
from workbench.qualify.stored import StoredSet

READING = [
    ("STU3/BgZ-3-0/MedMij/Test", "48", ["XIS-Server"], 104),
    ("STU3/Geboortezorg-1-0/MedMij/Cert", "65", ["XIS-Server"], 10),
    ("STU3/SelfMeasurements-2-0/MedMij/Test", "52", ["Serving-XIS"], 20),
    ("R4/Immunization-2-0/MedMij/Test", "63", ["XIS-Server", "XIS-Server-CheckContent"], 8),
    ("R4/MP9-3-0-0-beta/MedMij/Test", "9006", [], 86),
]
"""Set, data service, roles (empty: all that test a server), number of scripts that only read."""


@pytest.fixture(scope="module", params=KINDS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with database(request.param, tmp_path_factory.mktemp("store")) as url, serving(url, world=False) as server:
        yield server


def run(server: Running, folder: Path, service: str, roles: list[str], skip: Sequence[str] = ()) -> list[ScriptResult]:
    """Load the set and run its server scripts, in both formats."""
    files, start = open_files(folder)
    loaded = load_set(files, start, token_table(files, folder), today(), skip=skip)
    assert not loaded.problems
    engine = open_engine(server.settings.database_url)
    sink = StoredSet(engine, server.settings, loaded.bsn)
    refused: list[str] = []
    sink.store(
        loaded.items, PROVIDER, "qualification", ImportOutcome(lambda origin, text: refused.append(f"{origin}: {text}"))
    )
    assert not refused
    sink.tokens(loaded.tokens(PROVIDER, [service]))
    engine.dispose()
    return run_scripts(server, files, start, service, roles)


@pytest.mark.parametrize(("name", "service", "roles", "count"), READING, ids=[row[0].split("/")[1] for row in READING])
def test_every_script_that_reads_passes_whole(
    running: Running, official_packages: None, name: str, service: str, roles: list[str], count: int
) -> None:
    scripts = run(running, shared("qualification", name), service, roles)
    assert len(scripts) == count
    assert not [complaint(script) for script in scripts if script.status is not Status.PASSED]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("role", "manifests"), [("XIS-Server", True), ("XIS-Server-NoManifest", False)])
def test_documents_with_and_without_manifests(
    kind: str, role: str, manifests: bool, tmp_path: Path, official_packages: None
) -> None:
    """The two variants of PDF/A exclude each other; the setting ``resource_server.document_manifest`` chooses one.

    One fixture is left out: script 1.1 counts two current documents, and the third is there for client tests.
    Scripts 3.x send documents, which is another data service.
    """
    variant = ResourceServer(document_manifest=manifests)
    with database(kind, tmp_path) as url, serving(url, world=False, resource_server=variant) as server:
        skip = ["DocumentReference/pdfa-documentreference3"]
        scripts = run(server, shared("qualification", "STU3/PDFA-3-0/MedMij/Test"), "51", [role], skip)
    reading = [script for script in scripts if "-receive-" not in script.id]
    assert len(reading) == 20
    assert not [complaint(script) for script in reading if script.status is not Status.PASSED]
