"""The official BgZ scripts when nothing is in the store: the same data behind a live source give the same answers."""

from pathlib import Path

import pytest
from databases import database
from qualifying import PROVIDER, complaint, run_scripts, today
from servers import serving
from shared import shared

from gateway.sections import ProviderSettings
from gateway.store.engine import open_engine
from profiles.fhir.codec import jsonio
from workbench.qualify.files import open_files
from workbench.qualify.loadset import load_set, token_table
from workbench.qualify.results import Status
from workbench.qualify.stored import StoredSet


@pytest.mark.parametrize("count", [1, 2], ids=["one source", "two sources"])
def test_the_bgz_scripts_pass_on_live_sources(official_packages: None, tmp_path: Path, count: int) -> None:
    folder = shared("qualification", "STU3/BgZ-3-0/MedMij/Test")
    files, start = open_files(folder)
    loaded = load_set(files, start, token_table(files, folder), today())
    sources = []
    for number in range(count):
        place = tmp_path / f"source{number}"
        place.mkdir()
        sources.append({"type": "files", "name": f"epd{number}", "path": str(place), "version": "stu3"})
    for number, item in enumerate(loaded.items):
        # Everything stands in the first source; a second one knows the patients and nothing else.
        for index in range(count):
            if index == 0 or item.resource["resourceType"] == "Patient":
                (tmp_path / f"source{index}" / f"{number}.json").write_bytes(jsonio.dump(item.resource))
    given = ProviderSettings(display_name="Ziekenhuis Zandoord", services=("48",), sources=tuple(sources))
    with database("sqlite", tmp_path) as url, serving(url, world=False, providers={PROVIDER: given}) as server:
        engine = open_engine(url)
        StoredSet(engine, server.settings, loaded.bsn).tokens(loaded.tokens(PROVIDER, ["48"]))
        engine.dispose()
        scripts = run_scripts(server, files, start, "48", ["XIS-Server"])
    assert len(scripts) == 104
    bad = [complaint(script) for script in scripts if script.status is not Status.PASSED]
    # With two sources there are two Patient resources: the script that wants exactly one cannot pass.
    assert not [line for line in bad if count == 1 or "-02" not in line.split(":")[0]]
