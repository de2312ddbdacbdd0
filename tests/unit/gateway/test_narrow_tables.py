"""A terminal of 80 columns: no line is longer, and nothing of a table is cut off."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from gateway.cli import context, doctor, standards
from gateway.cli.main import cli
from gateway.cli.preflight import counted
from profiles.standards.load import catalogue


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The console of every command, 80 wide."""
    for module in (context, doctor, standards):
        monkeypatch.setattr(module, "console", Console(width=80))


@pytest.mark.usefixtures("narrow")
def test_the_standards_fit_and_every_id_and_service_is_whole() -> None:
    ran = CliRunner().invoke(standards.standards, ["list"])
    lines = ran.output.splitlines()
    assert max(map(len, lines)) <= 80
    words = set(ran.output.split())
    for standard in catalogue().standards.values():
        assert standard.id in words
        assert {service.id for service in standard.services} <= words
    assert "…" not in ran.output


def test_what_does_not_fit_is_folded_and_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    table = context.listing("what", "how")
    table.add_row("a" * 60, "b" * 60)
    Console(width=80).print(table)
    shown = capsys.readouterr().out
    assert (shown.count("a") - 1, shown.count("b")) == (60, 60)  # one a stands in the heading
    assert max(map(len, shown.splitlines())) <= 80


def test_one_is_singular() -> None:
    assert [counted(number, "service") for number in (0, 1, 2)] == ["0 services", "1 service", "2 services"]


def every(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of a command and of all below it."""
    yield path
    if isinstance(command, click.Group):
        context_ = click.Context(command)
        for name in command.list_commands(context_):
            below = command.get_command(context_, name)
            assert below is not None, name
            yield from every(below, (*path, name))


def test_the_help_of_every_command_fits() -> None:
    """Issue 12 point 9: those of the workbench too."""
    walked = list(every(cli))
    assert {("pgo", "visit"), ("demo", "visit"), ("lists", "show")} <= set(walked)
    for path in walked:
        ran = CliRunner().invoke(cli, [*path, "--help"])
        assert ran.exit_code == 0, path
        assert max(map(len, ran.output.splitlines())) <= 80, path


@pytest.mark.parametrize(
    "command",
    ["standards list", "standards check", "adapters types", "lists show", "packages list", "keys list", "doctor",
     "intake quarantine list", "report usage"],
)  # fmt: skip
def test_what_a_command_prints_on_a_narrow_terminal_fits(command: str, tmp_path: Path) -> None:
    """Issue 12 point 9: in a process of its own, as a person starts it; also when there is nothing to list."""
    environment = {**os.environ, "COLUMNS": "80", "GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/empty.db"}
    environment |= {"GATEWAY_PACKAGE_CACHE": str(tmp_path)}
    gateway = [sys.executable, "-c", "from gateway.cli.main import main; main()"]
    ran = subprocess.run([*gateway, *command.split()], env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    assert max(map(len, ran.stdout.splitlines()), default=0) <= 80, ran.stdout
