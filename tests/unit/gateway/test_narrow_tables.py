"""A terminal of 80 columns: no line is longer, and nothing of a table is cut off."""

import pytest
from click.testing import CliRunner
from rich.console import Console

from gateway.cli import context, doctor, standards
from gateway.cli.doctor import counted
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
