"""gateway report: data quality, use, and evidence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, inspect

from gateway.audit.signing import stated_heads
from gateway.calendar import today_here
from gateway.cli.context import (
    FINDINGS,
    as_json,
    as_served,
    bench,
    console,
    database,
    errors,
    fail,
    needs_provider,
    with_settings,
)
from gateway.cli.month import month
from gateway.cli.privacy import privacy_command
from gateway.cli.proofs import close_command, pack_command, vipp_command
from gateway.cli.results import results_command
from gateway.report.document import ReportDocument
from gateway.report.evidence import Evidence
from gateway.report.figures import Choice, Figures, has_figures
from gateway.report.quality import QualityReport, Request
from gateway.report.render import as_html, to_console
from gateway.report.render import as_json as in_json
from gateway.report.trail import Period, UnreadableTrail
from gateway.report.usage import UsageReport
from gateway.report.visits import VisitsReport
from gateway.report.words import words
from gateway.settings import Settings
from gateway.store.counts import usage_event
from gateway.store.engine import reading
from gateway.store.schema import audit_record
from gateway.usage.figures import days
from gateway.wiring import audit_key_of, offered
from profiles.standards.load import catalogue


@click.group()
def report() -> None:
    """Reports: quality, usage, evidence. Every figure says what it counts, of whom, and over which period."""


def output(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every report has: period, language, form (``--json`` is one of them) and file."""
    for option in (
        click.option("--lang", type=click.Choice(["nl", "en"]), default="nl", show_default=True, help="Language."),
        click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file."),
        click.option(
            "--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True
        ),
        click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day."),
        click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day."),
        click.option("--provider", default="", help="MedMij name of one care provider."),
    ):
        command = option(command)

    @as_json
    @wraps(command)
    def wrapper(*args: Any, as_json: bool, form: str, **kwargs: Any) -> Any:
        return command(*args, form="json" if as_json else form, **kwargs)

    return wrapper


@report.command()
@click.option("--source", default="", help="One source of the data.")
@click.option("--standard", default="", help="One standard, as in 'gateway standards list'.")
@click.option("--defects", type=click.Path(path_type=Path, dir_okay=False), help="Write the defect list (CSV) here.")
@output
@with_settings
def quality(
    settings: Settings,
    provider: str,
    first: datetime | None,
    last: datetime | None,
    form: str,
    output: Path | None,
    lang: str,
    source: str,
    standard: str,
    defects: Path | None,
) -> None:
    """How complete, coded and right the data are, by zib element; with what to do, and for which department."""
    if standard and standard not in catalogue().standards:
        fail(f"unknown standard {standard}; see 'gateway standards list'")
    choice = Choice(provider, source, None, _day(first), _day(last))
    request = Request(now(), lang, standard, choice, settings.package_cache)
    with store(settings, provider) as connection:
        if not has_figures(connection):
            text = words(lang, "quality")
            show(
                ReportDocument("quality", text["title"], now(), lang, [text["empty"]], [], words(lang, "words")),
                form,
                output,
            )
            return
        made = QualityReport(
            Figures(connection, choice), request, catalogue(), offered(as_served(settings, everything=False))
        )
        if defects:
            with defects.open("w", encoding="utf-8-sig", newline="") as out:
                count = made.defects(out)
            errors.print(f"{defects}: {count} lines", highlight=False, markup=False)
        show(made.document(), form, output)


@contextmanager
def store(settings: Settings, provider: str) -> Iterator[Connection]:
    """A reading connection to the database of the settings, or to its replica where one is set.

    In test mode without any: to the newest store there is.

    An unknown provider ends the command.
    """
    with database(_newest(settings)) as engine, reading(engine).connect() as connection:
        needs_provider(settings, provider, connection)
        try:
            yield connection
        except UnreadableTrail as fault:
            fail(f"{fault}: 'gateway audit verify' names it", FINDINGS)


def _newest(settings: Settings) -> Settings:
    if settings.report_database_url:
        return settings.model_copy(update={"database_url": settings.report_database_url})
    if settings.mode != "test" or "database_url" in settings.model_fields_set:
        return settings
    demo = bench(settings)
    if demo is None:
        return settings
    files = {url: Path(url.removeprefix("sqlite:///")) for url in (settings.database_url, demo.store)}
    there = {url: path.stat().st_mtime for url, path in files.items() if path.is_file()}
    if not there:
        return settings
    url = max(there, key=lambda one: there[one])
    if url != settings.database_url:
        errors.print(f"reading the demo's store, {files[url]}", highlight=False, markup=False)
    return settings.model_copy(update={"database_url": url})


def show(document: ReportDocument, form: str, output: Path | None) -> None:
    """Print a report, or write it to a file."""
    if form == "text" and output is None:
        to_console(document, console)
        return
    if form == "text":
        from rich.console import Console

        with output.open("w", encoding="utf-8") as out:  # type: ignore[union-attr]
            to_console(document, Console(file=out, width=160))
    else:
        text = as_html(document) if form == "html" else in_json(document)
        if output is None:
            click.echo(text, nl=False)
            return
        output.write_text(text, encoding="utf-8")
    errors.print(f"{output} written", highlight=False, markup=False)


def now() -> str:
    """The moment of making, for people."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


@report.command()
@output
@with_settings
def usage(
    settings: Settings,
    provider: str,
    first: datetime | None,
    last: datetime | None,
    form: str,
    output: Path | None,
    lang: str,
) -> None:
    """What is used: requests, persons, empty answers, documents opened, success by step. From the access trail."""
    made = UsageReport(catalogue(), now(), lang, provider, Period(_day(first), _day(last)))
    with store(settings, provider) as connection:
        if not inspect(connection).has_table(audit_record.name):
            text = words(lang, "usage")
            show(
                ReportDocument("usage", text["title"], now(), lang, [text["empty"]], [], words(lang, "words")),
                form,
                output,
            )
            return
        show(made.document(connection), form, output)


@report.command()
@click.option("--outside", is_flag=True, help="For who is outside the institution: numbers under 5 become <5.")
@output
@with_settings
def visits(
    settings: Settings,
    provider: str,
    first: datetime | None,
    last: datetime | None,
    form: str,
    output: Path | None,
    lang: str,
    outside: bool,
) -> None:
    """How far visits came, from the front door to having seen it, and why they did not: by default of this month."""
    at = datetime.now(UTC)
    day = today_here()
    period = _day(first) or day.replace(day=1), _day(last) or day
    text = words(lang, "quality")["period"].format(first=period[0], last=period[1])
    made = VisitsReport(catalogue(), now(), days(*period), text, at, lang, provider or None, outside)
    with store(settings, provider) as connection:
        if not inspect(connection).has_table(usage_event.name):
            fail("the store is of an earlier release: run 'gateway db upgrade'")
        show(made.document(connection), form, output)


report.add_command(month)
report.add_command(vipp_command)
report.add_command(pack_command)
report.add_command(close_command)
report.add_command(results_command)
report.add_command(privacy_command)


@report.command()
@click.option(
    "--sample", "size", type=click.IntRange(0, 10_000), default=20, show_default=True, help="Records to draw."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same number draws the same sample.")
@output
@with_settings
def evidence(
    settings: Settings,
    provider: str,
    first: datetime | None,
    last: datetime | None,
    form: str,
    output: Path | None,
    lang: str,
    size: int,
    seed: int,
) -> None:
    """Figures with definition, population, period and norm; a sample; and proof that the trail was not changed.

    Exit code 1 when the trail does not fit its own chain, or what was signed of it.
    """
    try:
        heads, untold = stated_heads(settings.audit)
    except OSError as fault:
        fail(f"heads: {fault}")
    made = UsageReport(catalogue(), now(), lang, provider, Period(_day(first), _day(last)))
    with store(settings, provider) as connection:
        if not inspect(connection).has_table(audit_record.name):
            text = words(lang, "evidence")
            nothing = [words(lang, "usage")["empty"]]
            show(
                ReportDocument("evidence", text["title"], now(), lang, nothing, [], words(lang, "words")), form, output
            )
            return
        choice = Choice(provider, "", None, _day(first), _day(last))
        request = Request(now(), lang, "", choice, settings.package_cache)
        checked = QualityReport(
            Figures(connection, choice), request, catalogue(), offered(as_served(settings, everything=False))
        ).document()
        wanted = [section for section in checked.sections if section.key in ("overview", "completeness", "basis")]
        key = audit_key_of(settings)
        today = datetime.now(UTC).date()
        document, faults = Evidence(made, key, today, size, seed, wanted, heads).document(connection)
        show(document, form, output)
    for one in untold:
        errors.print(f"audit: {one.text}", highlight=False, markup=False, soft_wrap=True)
    if faults or untold:
        raise SystemExit(FINDINGS)
