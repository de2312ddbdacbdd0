"""The official BgZ scripts when their data stand behind an EHR that speaks FHIR: the fhir adapter gives all of them."""

from pathlib import Path

from databases import database
from live_house import listening
from qualifying import PROVIDER, complaint, run_scripts, today
from servers import free_port, serving
from shared import shared

from adapters.testing.fake_ehr import FakeEhr
from gateway.intake.sink import StoreSink
from gateway.qualify.files import open_files
from gateway.qualify.loadset import load_set, token_table
from gateway.qualify.results import Status
from gateway.settings import ProviderSettings
from gateway.store.engine import open_engine


def test_the_bgz_scripts_pass_over_the_fhir_adapter(official_packages: None, tmp_path: Path) -> None:
    folder = shared("qualification", "STU3/BgZ-3-0/MedMij/Test")
    files, start = open_files(folder)
    loaded = load_set(files, start, token_table(files, folder), today())
    ehr = FakeEhr([item.resource for item in loaded.items], login="basic", username="gateway", password="for-tests")
    port = free_port()
    login = {"kind": "basic", "username": ehr.username, "password": ehr.password}
    source = {
        "type": "fhir", "name": "epd", "url": f"http://127.0.0.1:{port}/fhir", "version": "stu3", "login": login,
    }  # fmt: skip
    given = ProviderSettings(display_name="Ziekenhuis Zandoord", services=("48",), sources=(source,))
    with (
        listening(ehr, port),
        database("sqlite", tmp_path) as url,
        serving(url, world=False, providers={PROVIDER: given}) as server,
    ):
        engine = open_engine(url)
        StoreSink(engine, server.settings, loaded.bsn).tokens(loaded.tokens(PROVIDER, ["48"]))
        engine.dispose()
        scripts = run_scripts(server, files, start, "48", ["XIS-Server"])
    assert len(scripts) == 104
    assert [complaint(script) for script in scripts if script.status is not Status.PASSED] == []
    assert ehr.calls
