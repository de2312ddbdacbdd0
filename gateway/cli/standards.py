"""gateway standards: which information standards the gateway knows."""

from pathlib import Path

import click

from gateway.cli.context import DONE, FINDINGS, as_json, console, emit, listing
from profiles.standards.changes import announced, changes
from profiles.standards.checks import check
from profiles.standards.load import Catalogue, StandardError, catalogue, read_standard
from profiles.standards.model import Service, Standard


@click.group()
def standards() -> None:
    """The information standards that the gateway knows."""


@standards.command("list")
@as_json
def list_command(as_json: bool) -> None:
    """List the standards with their data services and FHIR release."""
    rows = sorted(catalogue().standards.values(), key=lambda standard: (standard.ring, standard.id))
    if as_json:
        listed = [
            {
                "standard": row.id,
                "services": [service.id for service in row.services],
                "fhir": row.fhir.value,
                "draft": row.draft,
                "uses": {name: list(rows) for name, rows in row.uses.items()},
            }
            for row in rows
        ]
        emit(listed)
        return
    table = listing("standard", "FHIR", "rows", "services", "title")
    for row in rows:
        table.add_row(row.id, row.fhir.value, str(len(row.rules)), "\n".join(s.id for s in row.services), _title(row))
    console.print(table)


def _title(row: Standard) -> str:
    taken = "; ".join(f"{name}: {', '.join(rows)}" for name, rows in row.uses.items())
    return ("draft: " if row.draft else "") + row.title + (f" (with {taken})" if taken else "")


@standards.command("check")
@as_json
def check_command(as_json: bool) -> None:
    """Check the rows of all standards. Exit code 1 when something does not fit."""
    faults = check(catalogue())
    if as_json:
        emit({"standards": len(catalogue().standards), "faults": faults})
        raise SystemExit(FINDINGS if faults else DONE)
    for line in faults:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(f"{len(catalogue().standards)} standards, {len(faults)} faults", highlight=False)
    if faults:
        raise SystemExit(FINDINGS)


@standards.command("diff")
@click.argument("old", required=False)
@click.argument("new", required=False)
@as_json
def diff_command(old: str | None, new: str | None, as_json: bool) -> None:
    """Say what a new version of a standard changes.

    OLD and NEW are ids of standards, or folders. Without them: every change that the standards announce, which are
    those that take the place of another, and services that begin or end on a day.
    """
    known = catalogue()
    if old is not None and new is None:
        raise click.UsageError("name both versions, or none")
    pairs = (
        [(_named(known, old), _named(known, new))]
        if old is not None and new is not None
        else [(known.standards[one.replaces], one) for one in known.standards.values() if one.replaces]
    )
    told = [(f"{before.id} -> {after.id}", list(changes(before, after))) for before, after in pairs]
    every = known.standards.values() if old is None else ()
    dated = [
        f"{one.id}: service {each.id}{_version(each)}{announced(each)}"
        for one in every
        for each in one.services
        if each.dated
    ]
    if as_json:
        emit({"changes": [{"standards": title, "lines": lines} for title, lines in told], "dated": dated})
        return
    for title, lines in told:
        console.print(title, highlight=False)
        for line in lines or ["no difference"]:
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    for line in dated:
        console.print(line, highlight=False)
    if not told and not dated:
        console.print("nothing is announced", highlight=False)


def _version(service: Service) -> str:
    return f" version {service.version}" if service.version else ""


def _named(known: Catalogue, name: str) -> Standard:
    try:
        return known.standards[name] if name in known.standards else read_standard(Path(name))
    except StandardError as fault:
        raise click.BadParameter(f"neither the id of a standard nor a folder of one: {fault}") from fault
