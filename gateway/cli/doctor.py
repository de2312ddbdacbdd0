"""gateway doctor: the preflight check (SC-H1)."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
from rich.text import Text

from gateway.cli.context import FINDINGS, as_json, as_served, console, emit, listing
from gateway.cli.preflight import Check, PreflightLine, clock, database, files, guarded, network, sources, variables
from gateway.settings import Settings, SettingsError, load


def checks(ntp: str = "") -> Mapping[str, Check]:
    """Everything that is looked at, in this order."""
    return {
        "settings": variables.check,
        "database": database.check,
        "clock": partial(clock.check, ntp=ntp),
        "hosts": network.check,
        "providers": sources.providers,
        "sources": sources.sources,
        "lists": sources.lists,
        "packages": sources.packages,
        "keys and certificates": files.check,
    }


def examine(settings: Settings, ntp: str = "") -> Iterator[PreflightLine]:
    """Look at everything that can be looked at without traffic from outside. Never raises."""
    for name, check in checks(ntp).items():
        yield from guarded(name, check, settings)


@click.command()
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with the settings.")
@click.option("--ntp", default="", metavar="HOST", help="Compare the clock with this NTP server too.")
@as_json
def doctor(config: Path | None, ntp: str, as_json: bool) -> None:
    """Check settings, database, clock, names of hosts, sources, lists, packages, keys and certificates.

    Everything is looked at, whatever is wrong before it. Exit code 1 when something is.
    """
    try:
        settings = load(config)
    except SettingsError as fault:
        rows = [PreflightLine("settings", "error", line) for line in str(fault).split("; ")]
    else:
        rows = list(examine(as_served(settings), ntp))
    if as_json:
        emit([asdict(row) for row in rows])
    else:
        _show(rows)
    if any(row.level == "error" for row in rows):
        raise SystemExit(FINDINGS)


def _show(found: list[PreflightLine]) -> None:
    colours = {"ok": "green", "warning": "yellow", "error": "red"}
    table = listing("what", "how", "")
    for row in found:
        table.add_row(Text(row.what), Text(row.level, colours[row.level]), Text(row.text))
    console.print(table)
