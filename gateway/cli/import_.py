"""gateway import: load FHIR files into the store."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Engine

from gateway.audit.trail import AuditUnavailable
from gateway.cli.access import operator
from gateway.cli.context import (
    FINDINGS,
    as_json,
    as_served,
    console,
    database,
    emit,
    errors,
    fail,
    unknown_provider,
    with_settings,
)
from gateway.intake.bulk import Bulk
from gateway.intake.bulk import Progress as Told
from gateway.intake.outcome import ImportOutcome, numbers
from gateway.intake.read import SUFFIXES
from gateway.intake.sender import Door
from gateway.quality.gate import Gate
from gateway.settings import Settings
from gateway.wiring import open_gate, recording, save_counts, served
from gateway.wiring.intake import open_intake, open_releases
from profiles.fhir.version import FhirVersion
from profiles.validation.run.findings import VERDICTS, Finding

COUNTS = ("stored", "unchanged", "again", "refused", "blocked", "held", "repairs", "documents", "verdicts", "untold")
"""What an outcome counts, for machines."""


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--provider", required=True, help="MedMij name of the care provider, without @medmij.")
@click.option("--source", default="import", show_default=True, help="Name of the source the data come from.")
@click.option("--fhir", type=click.Choice(["stu3", "r4"]), help="FHIR release; left out: told from the content.")
@as_json
@with_settings
def import_command(
    settings: Settings, paths: Sequence[Path], provider: str, source: str, fhir: str | None, as_json: bool
) -> None:
    """Load resources, Bundles and NDJSON from files and folders of any size; ids are kept.

    What comes in takes the same walk as what a system pushes: it is placed with a patient, checked, stored with its
    versions, and recorded in the access trail. What is refused is told with its place and the reason; the rest is
    stored. Broken off, it is started again: what is stored already is left alone.
    Exit code 0 when everything was taken, 1 when something was refused or held back, 2 when nothing could be tried.
    """
    known = as_served(settings).providers
    if provider not in known:
        unknown_provider(provider, known)
    for path in paths:
        if not path.exists():
            fail(f"{path}: no such file or folder")
    gate = open_gate(settings)
    outcome = ImportOutcome(_tell, _warn)
    with database(settings) as engine, _progress() as progress:
        intake = open_intake(engine, settings, gate)
        sender = intake.importer(provider, source, Door("operator", operator()))
        with Bulk(intake, sender, open_releases(gate), outcome, progress) as bulk:
            if not bulk.read(paths, FhirVersion.of(fhir) if fhir else None) and not outcome.refused:
                where = ", ".join(map(str, paths))
                fail(f"nothing to read here: no resource in a {', '.join(sorted(SUFFIXES))} in {where}")
            bulk.settle(tuple(served(known[provider])))
            _store(bulk, engine, settings, gate)
    if as_json:
        emit({name: getattr(outcome, name) for name in COUNTS})
    else:
        _summary(outcome)
    if not outcome.whole:
        raise SystemExit(FINDINGS)


def _store(bulk: Bulk, engine: Engine, settings: Settings, gate: Gate) -> None:
    """Store batch after batch; the records and the counts of each are kept before the next."""
    with recording(engine, settings) as trail:
        # What was loaded until now stays; so do the definitions and plans that the first batch makes. Looking through
        # them again and again for something to free costs a tenth of the time. A batch itself goes with the next.
        gc.freeze()
        for number, records in enumerate(bulk.store()):
            gc.collect()
            if not number:
                gc.freeze()
            try:
                trail.write_now(records)
            except AuditUnavailable:
                fail("the access trail cannot be written; what was stored is recorded when you import it again")
            with engine.begin() as connection:
                save_counts(connection, settings, gate)


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        tasks = {name: bar.add_task(name, total=None, visible=False) for name in ("Reading", "Storing")}

        def told(what: str, done: int, of: int) -> None:
            if done % 100 == 0 or of:
                bar.update(tasks[what], completed=done, total=of or None, visible=True)

        yield told


def _tell(origin: str, text: str) -> None:
    errors.print(f"{origin}: {text}", highlight=False, markup=False, soft_wrap=True)


def _warn(origin: str, finding: Finding) -> None:
    _tell(origin, f"{finding.severity}: {finding.text('en')} [{finding.rule} {finding.expression}]")


def _summary(outcome: ImportOutcome) -> None:
    repairs = ", ".join(f"{rule} {count}" for rule, count in sorted(outcome.repairs.items()))
    words = (("error", "errors"), ("warning", "warnings"), ("information", "not fully checkable"))
    documents = ", ".join(f"{outcome.documents[name]} {word}" for name, word in words if outcome.documents[name])
    console.print(
        f"{outcome.stored} stored, {outcome.unchanged} unchanged, {outcome.refused} refused"
        + (f", {outcome.blocked} held back" if outcome.blocked else "")
        + (f", {outcome.again} said again" if outcome.again else "")
        + (f"; repaired: {repairs}" if repairs else "")
        + (f"; documents: {documents}" if documents else ""),
        highlight=False,
        soft_wrap=True,
    )
    if outcome.verdicts:
        verdicts = ", ".join(
            f"{outcome.verdicts[name]} {VERDICTS[name]['en']}" for name in ("ok", "wrong", "unchecked")
        )
        console.print(f"checked: {verdicts}; see 'gateway report quality'", highlight=False, soft_wrap=True)
    if outcome.held:
        console.print(f"in quarantine: {numbers(outcome.held)}; see 'gateway intake list'", highlight=False)
    if outcome.untold:
        console.print(
            f"{outcome.untold} could be STU3 and R4, and were stored as both; --fhir tells which", highlight=False
        )
