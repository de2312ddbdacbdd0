"""What test mode takes from a workbench, and that production takes nothing: the port, in one process."""

import json
import subprocess
import sys
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from servers import settings_for

from adapters.port import Adapter
from gateway import testmode
from gateway.app import create_app
from gateway.cli import main
from gateway.settings import Settings, SettingsError, authorization
from gateway.testmode import Stage, completed, installed
from workbench.cli import COMMANDS
from workbench.plugin import LISTS, workbench


def points(monkeypatch: pytest.MonkeyPatch, group: str, *targets: str) -> None:
    """These are the entry points of a group, whatever is installed."""
    found = [EntryPoint(f"one-{place}", target, group) for place, target in enumerate(targets)]

    def listed(**wanted: str) -> list[EntryPoint]:
        return found if wanted == {"group": group} else list(metadata.entry_points(**wanted))

    monkeypatch.setattr(testmode, "entry_points", listed)
    monkeypatch.setattr(main, "entry_points", listed)


def production() -> Settings:
    """Settings of production, as far as this port looks at them."""
    return Settings(mode="production")


def test_production_does_not_look_for_a_workbench(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that would fail; and handing one over is refused."""
    points(monkeypatch, testmode.GROUP, "there.is.no:such")
    assert installed(production()) is None
    with pytest.raises(SettingsError, match="production takes nothing"):
        completed(production(), workbench)
    with pytest.raises(SettingsError, match="production takes nothing"):
        create_app(production(), workbench=workbench)
    with pytest.raises(SettingsError, match=r"cannot be loaded: No module named 'there'"):
        installed(Settings())


def test_the_workbench_is_found_by_its_entry_point() -> None:
    assert installed(Settings()) is workbench


def test_without_one_test_mode_needs_providers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    points(monkeypatch, testmode.GROUP)
    assert installed(Settings()) is None
    assert completed(Settings(), None) == Settings()
    with pytest.raises(SettingsError, match=r"pip install 'medmij-gateway\[workbench\]'"):
        create_app(Settings())


def test_what_is_left_open_is_filled_in_and_follows_the_address() -> None:
    """The world's institutions, its lists, its login and the addresses of its clients."""
    settings = completed(settings_for("sqlite:///x.db", 9000), workbench)
    assert settings.providers["ziekenhuiszandoord"].display_name == "Ziekenhuis Zandoord"
    assert (settings.lists.source, settings.lists.folder) == ("files", LISTS)
    section = authorization(settings)
    assert section.login.issuer == "http://127.0.0.1:9000/idp"
    assert section.local_redirects["pgo.demo.example"] == ("http://127.0.0.1:9000/demo-pgo/callback",)
    assert completed(settings, workbench) == settings


def test_what_is_configured_stays(tmp_path: Path) -> None:
    given = Settings.model_validate(
        {
            "providers": {"eigenpraktijk": {"display_name": "Eigen praktijk", "services": ["48"]}},
            "lists": {"source": "files", "folder": tmp_path},
            "auth": {"login": {"issuer": "https://inloggen.example"}, "local_redirects": {}},
        }
    )
    assert completed(given, workbench) == given


def test_one_institution_offers_everything_unless_the_demo_is_served() -> None:
    every = completed(Settings(), workbench).providers["ziekenhuiszandoord"].services
    few = completed(Settings(), workbench, everything=False).providers["ziekenhuiszandoord"].services
    assert set(few) < set(every)
    assert "65" in every


def test_a_stage_puts_its_adapters_and_routes_around_the_gateway(tmp_path: Path) -> None:
    """Any workbench will do: the port knows nothing of ours."""
    around: list[str] = []

    class Bare:
        """The least that a workbench can be."""

        store = "sqlite:///elsewhere.db"

        def complete(self, settings: Settings, *, everything: bool) -> Settings:
            """Ours, for want of an own world."""
            return workbench.complete(settings, everything=everything)

        def stage(self, settings: Settings, *, demo: bool) -> Stage:
            """No page at all."""

            def wrapped(adapter: Adapter) -> Adapter:
                around.append(adapter.name)
                return adapter

            return Stage(wrapped)

    url = f"sqlite:///{tmp_path}/store.db"
    create_app(settings_for(url, 9000), workbench=Bare())
    sources = {"type": "files", "name": "ecd", "path": str(tmp_path), "version": "stu3"}
    provider = {"display_name": "Eigen praktijk", "services": ["48"], "sources": [sources]}
    given = Settings.model_validate({"database_url": url, "providers": {"eigenpraktijk": provider}})
    create_app(given, workbench=Bare())
    assert around == ["ecd"]


def test_commands_of_others_join_ours_and_cannot_take_our_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "serve", ("there.is.no:such", "Not ours."))  # type: ignore[arg-type]
    points(monkeypatch, main.GROUP, "workbench.cli:COMMANDS", "there.is.no:such")
    known = main.commands()
    assert known["serve"] == main.COMMANDS["serve"]
    assert known["pgo"] == COMMANDS["pgo"]


LOADED = """
import importlib, json, sys
from gateway.cli.main import COMMANDS, cli
import gateway.app
for target, _ in COMMANDS.values():
    importlib.import_module(target.partition(":")[0])
try:
    cli(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] == "workbench")))
"""


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (["standards", "list"], []),
        (["serve", "--help"], []),
        # The help reads the table of names, and no command.
        (["--help"], ["workbench", "workbench.cli"]),
    ],
)
def test_no_command_of_production_loads_the_workbench(words: list[str], loaded: list[str], tmp_path: Path) -> None:
    """Neither gateway.app nor any module of a command, where it is installed."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == loaded
