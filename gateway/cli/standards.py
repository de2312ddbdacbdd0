"""gateway standards: which information standards the gateway knows."""

import click

from gateway.cli.context import DONE, FINDINGS, as_json, console, emit, listing
from profiles.standards.checks import check
from profiles.standards.load import catalogue
from profiles.standards.model import Standard


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
