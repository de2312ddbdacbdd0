"""gateway adapters names, explain, draft, preview: for who writes the mapping of an SQL source."""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from inspect import getdoc
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from adapters.mapping.compiled import load_mapping
from adapters.mapping.explain import explained
from adapters.mapping.functions import functions
from adapters.mapping.names import nearest
from adapters.mapping.terms import Terms
from adapters.port import AdapterError, AdapterMisconfigured, Bsn, LocalId, PatientKey
from adapters.sql.draft import draft, read_tables
from adapters.sql.packs import mapping_file, packs, tried
from adapters.sql.preview import PreviewedRecord, preview, rows_of
from adapters.sql.settings import SqlSettings
from gateway.cli.access import opened
from gateway.cli.context import FINDINGS, USAGE, as_json, console, database, emit, fail, unknown_provider, with_settings
from gateway.settings import Settings
from gateway.wiring import keys_of
from profiles.fhir.codec import jsonio
from profiles.record.bsn import bsns, pattern_of, plain_bsn, valid_bsn
from profiles.standards.load import catalogue

PATIENCE = 30.0
"""Seconds that a preview may take."""


@click.command("names")
@click.option("--standard", "only", help="Only the rows of this standard.")
@click.option("--functions", "of_functions", is_flag=True, help="The functions of formulas instead.")
@as_json
def names_command(only: str | None, of_functions: bool, as_json: bool) -> None:
    """List the names that a mapping may use: the request rows for `rows`, or the functions for formulas."""
    if only is not None and only not in catalogue().standards:
        fail(f"there is no standard {only!r}{nearest(only, catalogue().standards)}")
    found = list(_functions() if of_functions else _rows(only))
    if as_json:
        emit(found)
        return
    _columns([tuple(one.values()) for one in found])


@click.command("explain")
@click.argument("mapping", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.argument("row")
@as_json
def explain_command(mapping: Path, row: str, as_json: bool) -> None:
    """Show how a mapping file answers a request row (bgz-3/problem): the formula, columns and zib of each element."""
    try:
        compiled = load_mapping(mapping)
    except AdapterMisconfigured as fault:
        fail(fault.text)
    standard, _, rule = row.partition("/")
    rules = {one.id: one for one in catalogue().standards[standard].rules} if standard in catalogue().standards else {}
    if rule not in rules:
        every = [one["row"] for one in _rows(None)]
        fail(f"there is no row {row!r}{nearest(row, every)} (gateway adapters names)")
    sections = compiled.answering(standard, rule, rules[rule].type or "")
    if not sections:
        fail(f"no section of {mapping.name} answers {row}", FINDINGS)
    if as_json:
        elements = ("path", "written", "columns", "zib")
        emit(
            [
                {
                    "section": section.name,
                    "type": section.type,
                    "query": section.query,
                    "elements": [{name: getattr(one, name) for name in elements} for one in explained(section)],
                }
                for section in sections
            ]
        )
        return
    for section in sections:
        console.print(f"{section.name}: {section.type}", highlight=False, markup=False)
        console.print(section.query, highlight=False, markup=False, soft_wrap=True)
        _columns(
            [(f"  {one.path}", one.written, ", ".join(one.columns), ", ".join(one.zib)) for one in explained(section)]
        )


@click.command("draft")
@click.option("--url", envvar="GATEWAY_DRAFT_URL", required=True, help="Address of the database, as in the settings.")
@click.option("--schema", help="The schema whose tables are read; left out: that of the account.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File; left out: standard output.")
def draft_command(url: str, schema: str | None, output: Path | None) -> None:
    """Read the tables of a database and write a mapping to begin with: queries and ids; the values are for an analyst.

    Only the schema is read, no row. An address with a password belongs in GATEWAY_DRAFT_URL, not in the command.
    """
    try:
        text = draft(read_tables(url, schema))
    except AdapterMisconfigured as fault:
        fail(fault.text)
    except AdapterError as fault:
        fail(fault.text, FINDINGS)
    if output is None:
        sys.stdout.write(text)
        return
    if output.exists():
        fail(f"{output} is there already")
    output.write_text(text, "utf-8")


@click.command("packs")
@click.option("--try", "name", help="Map the sample rows of this pack, and compare with what is expected of them.")
@as_json
def packs_command(name: str | None, as_json: bool) -> None:
    """List the mapping packs that are installed, or try one. Exit code 1 when its sample is not mapped as expected."""
    folders = packs()
    if name is None and as_json:
        emit([{"pack": one, "folder": str(folder)} for one, folder in sorted(folders.items())])
        return
    if name is None:
        _columns([(f"pack:{one}", str(folder)) for one, folder in sorted(folders.items())])
        return
    if name not in folders:
        fail(f"there is no mapping pack {name!r}{nearest(name, folders)}")
    try:
        trial = asyncio.run(tried(folders[name]))
    except AdapterError as fault:
        fail(fault.text)
    if as_json:
        emit({"resources": trial.resources, "faults": list(trial.faults)})
    for one in trial.faults if not as_json else ():
        console.print(one, highlight=False, markup=False, soft_wrap=True)
    if not as_json:
        console.print(f"{trial.resources} resources, {len(trial.faults)} faults", highlight=False)
    if trial.faults:
        raise SystemExit(FINDINGS)


@click.command("preview")
@click.argument("person")
@click.option("--provider", help="The provider of the source; needed when there are several.")
@click.option("--source", help="The source, by its name; needed when there are several of type sql.")
@click.option(
    "--row", "rows", multiple=True, help="Only the sections that answer this row (bgz-3/problem); repeatable."
)
@as_json
@with_settings
def preview_command(
    settings: Settings, person: str, provider: str | None, source: str | None, rows: tuple[str, ...], as_json: bool
) -> None:
    """Show the resources of one PERSON as the mapping makes them, with where each value came from.

    PERSON is the id of the patient in the source, or - to be asked for the BSN (it never stands in the command). In
    production this is recorded in the access trail. Exit code 1 when a row cannot be mapped or nobody is found.
    """
    name, chosen = _source(settings, provider, source)
    patient = _patient(person, chosen.name)
    try:
        file = mapping_file(chosen.mapping)
        known = rows_of(load_mapping(file))
        for row in rows:
            if row not in known:
                fail(f"no section of the mapping names {row}{nearest(row, known)}")
        previews = asyncio.run(preview(chosen, file, patient, time.monotonic() + PATIENCE, rows))
    except AdapterError as fault:
        fail(fault.text, USAGE if isinstance(fault, AdapterMisconfigured) else FINDINGS)
    if previews is None:
        fail(f"source {chosen.name} does not know this person", FINDINGS)
    _record(settings, name, chosen.name, patient, previews)
    numbers = pattern_of(_numbers(patient, previews))
    # By the codec, in which decimals keep their digits.
    text = f"[{','.join(map(_line, previews))}]\n" if as_json else "".join(map(_text, previews))
    sys.stdout.write(numbers.sub("*********", text) if numbers else text)
    if any(one.fault for one in previews):
        raise SystemExit(FINDINGS)


def _rows(only: str | None) -> Iterator[dict[str, str]]:
    for standard in sorted(catalogue().standards.values(), key=lambda one: (one.ring, one.id)):
        for rule in standard.rules if only in (None, standard.id) else ():
            if rule.method == "GET" and rule.type is not None:
                row = f"{standard.id}/{rule.id}"
                yield {"row": row, "type": rule.type, "version": standard.fhir.value, "for people": rule.name_nl}


def _functions() -> Iterator[dict[str, str]]:
    for name, one in functions(Terms({}, {})).items():
        yield {"function": name, "what it gives": " ".join((getdoc(one.call) or "").split())}


def _source(settings: Settings, provider: str | None, source: str | None) -> tuple[str, SqlSettings]:
    """The one SQL source that is meant; ends the command when there is none or more than one."""
    if provider and provider not in settings.providers:
        unknown_provider(provider, settings.providers)
    sources = [
        (name, raw)
        for name, one in settings.providers.items()
        for raw in one.sources
        if raw.get("type") == "sql" and provider in (None, name) and source in (None, raw.get("name"))
    ]
    if len(sources) != 1:
        names = ", ".join(f"{name}/{raw.get('name')}" for name, raw in sources) or "none"
        fail(f"name one source of type sql with --provider and --source; fitting are: {names}")
    name, raw = sources[0]
    try:
        return name, SqlSettings.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        fail(f"source {raw.get('name')!r}: {'.'.join(map(str, first['loc']))}: {first['msg']}")


def _patient(person: str, source: str) -> PatientKey:
    if person != "-":
        return PatientKey(local_ids=(LocalId(source, person),))
    asked = click.prompt("BSN", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    number = plain_bsn(asked.strip())
    if not valid_bsn(number):
        fail("that is no BSN")
    return PatientKey(Bsn(number))


def _numbers(patient: PatientKey, found: Iterable[PreviewedRecord]) -> set[str]:
    """The BSNs that are not shown: that of the question and those of the Patient resources."""
    people = [one.resource for one in found if one.resource and one.resource["resourceType"] == "Patient"]
    return {number for one in people for number in bsns(one)} | ({patient.bsn.reveal()} if patient.bsn else set())


def _columns(rows: Sequence[tuple[str, ...]]) -> None:
    """Lines of columns under each other, whole on every terminal and in every pipe."""
    widths = [max(len(one[at]) for one in rows) for at in range(len(rows[0]))] if rows else []
    for one in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=True))
        console.print(line.rstrip(), highlight=False, markup=False, soft_wrap=True)


def _record(settings: Settings, provider: str, source: str, patient: PatientKey, found: list[PreviewedRecord]) -> None:
    """What an operator sees of a patient is recorded where patients are real."""
    if settings.mode != "production":
        return
    types: dict[str, int] = {}
    for one in found:
        kind = one.resource["resourceType"] if one.resource else "unmapped"
        types[kind] = types.get(kind, 0) + 1
    pseudonyms, _ = keys_of(settings)
    person = pseudonyms.of(patient.bsn.reveal()) if patient.bsn else ""
    with database(settings) as engine:
        about: dict[str, Any] = {"provider": provider, "person": person, "resources": tuple(sorted(types.items()))}
        opened(engine, settings, "preview", rule=source, **about)


def _line(one: PreviewedRecord) -> str:
    origins = []
    for origin in one.origins:
        read = {name: None if held is None else str(held) for name, held in origin.columns.items()}
        origins.append({"element": origin.place, "formula": origin.formula, "columns": read, "value": origin.value})
    made = {"section": one.section, "row": one.row, "fault": one.fault, "resource": one.resource, "origins": origins}
    return jsonio.dump(made).decode()


def _text(one: PreviewedRecord) -> str:
    name = f"{one.resource['resourceType']}/{one.resource['id']}" if one.resource else f"NOT MAPPED: {one.fault}"
    lines = [f"{one.section}, row {one.row}: {name}"]
    for origin in one.origins:
        read = ", ".join(f"{column} {value!r}" for column, value in origin.columns.items())
        value = origin.value if isinstance(origin.value, str) else jsonio.dump(origin.value).decode()
        given = "nothing" if origin.value is None else value
        lines.append(f"  {origin.place}  {given}  ={origin.formula}  [{read}]")
    return "\n".join(lines) + "\n\n"
