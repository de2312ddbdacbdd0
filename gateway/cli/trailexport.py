"""gateway audit show and export: single records for an auditor, and all that the trail has of one person."""

import csv
import io
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from gateway.audit.export import COLUMNS, audit_event, record_at, records_of, row_of
from gateway.audit.record import AuditRecord
from gateway.cli.access import audited, deliver, operator
from gateway.cli.context import as_json, console, database, emit, fail, with_settings
from gateway.settings import Settings
from gateway.store.engine import reading
from gateway.wiring import keys_of
from profiles.record.bsn import valid_bsn

CITIZEN = ("Wanneer (UTC)", "Wie", "Namens u", "Wat", "Dienst", "Zorgaanbieder", "Uitkomst", "Hoeveel")
"""The heading for the person it is about, at level B1."""
_DONE = {"pgo": "Uw PGO haalde gegevens op", "ehr": "Uw zorgverlener stuurde gegevens", "person": "U keek zelf",
         "operator": "Een beheerder keek in uw gegevens", "staff": "Een medewerker keek in uw gegevens"}  # fmt: skip


@click.command("show")
@click.argument("chain")
@click.argument("number", type=click.IntRange(1))
@as_json
@with_settings
def show_command(settings: Settings, chain: str, number: int, as_json: bool) -> None:
    """One record of the trail, by chain and number as a sample names it. That it was opened is recorded."""
    with database(settings) as engine:
        with reading(engine).connect() as connection:
            kept = record_at(connection, chain, number)
        if kept is None:
            fail(f"no record {number} in chain {chain}")
        record, mac = kept
        deed = AuditRecord(
            "operator:audit:read", datetime.now(UTC), 200, client=operator(), person=str(record.get("person", "")),
            provider=str(record.get("provider", "")), interaction="show", rule=f"{chain[:24]}/{number}",
        )  # fmt: skip
        audited(engine, settings, [deed])
    told = {"chain": chain, "number": number, **record, "mac": mac.hex()}
    if as_json:
        emit(told)
        return
    for name, value in told.items():
        console.print(f"{name}: {value}", highlight=False, markup=False, soft_wrap=True)


@click.command("export")
@click.option("--form", type=click.Choice(["fhir", "csv", "citizen"]), default="fhir", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@with_settings
def export_command(settings: Settings, form: str, output: Path | None) -> None:
    """All that the trail has of one person: who opened the record, professionals included (NEN 7513).

    The BSN is asked, or read from a pipe. As a Bundle of FHIR AuditEvent (IHE BALP), as CSV, or as CSV in plain Dutch.
    """
    with database(settings) as engine:
        asked = click.prompt("BSN", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
        if not valid_bsn(bsn := asked.strip()):
            fail("this is not a BSN")
        person = keys_of(settings)[0].of(bsn)
        with reading(engine).connect() as connection:
            kept = list(records_of(connection, person))
        deed = AuditRecord(
            "operator:audit:read", datetime.now(UTC), 200, client=operator(), person=person, interaction="export",
            rule=form, resources=(("AuditEvent", len(kept)),),
        )  # fmt: skip
        audited(engine, settings, [deed])
    if form == "fhir":
        entries = [{"resource": audit_event(*one, site=settings.base_url)} for one in kept]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        content = msgspec.json.format(msgspec.json.encode(bundle), indent=1)
    else:
        content = (_citizen(kept) if form == "citizen" else _rows(kept)).encode("utf-8-sig")
    deliver(content, output)


def _rows(kept: list[tuple[str, int, dict[str, object]]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row_of(*one) for one in kept)
    return out.getvalue()


def _citizen(kept: list[tuple[str, int, dict[str, object]]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(CITIZEN)
    for one in kept:
        at, who, acting, what, service, provider, outcome, _, count, *_ = row_of(*one)
        done = _DONE.get(what.partition(":")[0], what)
        good = "gelukt" if outcome.isdigit() and int(outcome) < 400 else "niet gelukt"
        writer.writerow([at, who, "ja" if acting else "nee", done, service, provider, good, count])
    return out.getvalue()
