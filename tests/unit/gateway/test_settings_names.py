"""A setting has one name: one variable, one place in the file, the same for every command and for the service."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway.cli.main import cli
from gateway.settings import FORMER, Settings, load, variable
from tools.configuration import rows

ROOT = Path(__file__).parents[3]
VARIABLE = re.compile(r"GATEWAY_[A-Z][A-Z0-9_]*")

NO_SETTINGS = {
    "GATEWAY_CONFIG": "where the settings are",
    "GATEWAY_PACKAGE_REGISTRY": "where packages are fetched from; the service fetches none",
    "GATEWAY_DRAFT_URL": "the database that a draft reads once; a password is no argument",
}
"""Variables of single commands, which no setting stands for."""


def settings() -> set[str]:
    return {variable(name) for name, _ in rows(Settings)}


def code() -> Iterator[tuple[Path, str]]:
    """Every variable of ours that the program names, with the file."""
    for folder in ("gateway", "profiles", "adapters", "auth", "workbench"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
                    yield file.relative_to(ROOT), node.value


def options(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from options(found)


def test_every_variable_in_the_program_is_that_of_a_setting_or_of_one_command() -> None:
    known = settings() | set(NO_SETTINGS) | set(FORMER)
    assert not [(str(file), name) for file, name in code() if name not in known]


def test_no_option_of_a_command_has_a_variable_that_a_setting_has_under_another_name() -> None:
    given = {one.envvar for one in options(cli) if one.envvar}
    assert given <= set(NO_SETTINGS), "an option that stands for a setting takes its default from the settings"


def test_what_a_former_name_stands_for_is_a_setting_and_no_page_teaches_the_former() -> None:
    assert {variable(setting) for setting in FORMER.values()} <= settings()
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))
    named = set(VARIABLE.findall(pages))
    assert not [name for name in FORMER if name in named]


@pytest.mark.parametrize(("old", "setting"), FORMER.items())
def test_a_former_name_still_works_says_so_and_yields_to_the_present_one(
    old: str, setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def value() -> object:
        found: object = load()
        for part in setting.split("."):
            found = getattr(found, part)
        return found

    monkeypatch.delenv(variable(setting), raising=False)
    monkeypatch.setenv(old, "http://127.0.0.1:1/former")
    assert value() == "http://127.0.0.1:1/former"
    assert f"{old} is now {variable(setting)}" in caplog.text
    monkeypatch.setenv(variable(setting), "http://127.0.0.1:1/now")
    assert value() == "http://127.0.0.1:1/now"
    assert "the former is not used" in caplog.text


@pytest.mark.parametrize("where", ["variable", "file"])
def test_what_a_command_adds_the_service_finds(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are added to, and validated from, the folder that the service reads."""
    from gateway.quality.verdicts import _sources
    from profiles.fhir.version import FhirVersion
    from tests.unit.gateway.test_packages_command import archive

    monkeypatch.delenv("GATEWAY_PACKAGE_CACHE")
    cache, file = tmp_path / "cache", tmp_path / "one.tgz"
    file.write_bytes(archive("test.top", "1.0.0"))
    if where == "variable":
        monkeypatch.setenv("GATEWAY_PACKAGE_CACHE", str(cache))
    else:
        config = tmp_path / "gateway.toml"
        config.write_text(f'package_cache = "{cache}"\n')
        monkeypatch.setenv("GATEWAY_CONFIG", str(config))
    added = CliRunner().invoke(cli, ["packages", "add", str(file)])
    assert added.exit_code == 0, added.output
    assert [one.name for one in cache.iterdir()] == ["test.top#1.0.0"]
    assert "test.top@1.0.0" in CliRunner().invoke(cli, ["packages", "list"]).output
    assert "test.top" in {one.name for one in _sources(FhirVersion.STU3, load().package_cache)}
