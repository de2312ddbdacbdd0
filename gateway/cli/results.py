"""gateway report results: whether results could be seen within the working days of the norm."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gateway.audit.record import AuditRecord
from gateway.calendar import today_here
from gateway.cli.access import audited, operator, release_table
from gateway.cli.context import FINDINGS, as_json, console, database, errors, served_provider, with_settings
from gateway.report.render import as_html, to_console
from gateway.report.render import as_json as in_json
from gateway.report.results import ResultsReport, met
from gateway.settings import Settings
from gateway.store.engine import reading
from gateway.wiring import keys_of

_day = click.DateTime(["%Y-%m-%d"])


@click.command("results")
@click.option("--provider", required=True, help="MedMij name of the care provider.")
@click.option("--from", "first", type=_day, help="First day of authorisation; else 30 days before the last.")
@click.option("--to", "last", type=_day, help="Last day of authorisation; else today.")
@click.option("--seed", type=int, help="The auditor's number: adds a sample of results by id. That is recorded.")
@click.option("--sample", "size", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--format", "form", type=click.Choice(["text", "html", "json"]), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@click.option("--lang", type=click.Choice(["nl", "en"]), default="nl", show_default=True)
@as_json
@with_settings
def results_command(
    settings: Settings,
    provider: str,
    first: datetime | None,
    last: datetime | None,
    seed: int | None,
    size: int,
    form: str,
    output: Path | None,
    lang: str,
    as_json: bool,
) -> None:
    """Results within seven working days of authorisation (VIPP V1-A2c), what was not shown, and what staff decided.

    Exit code 1 when the norm is not met.
    """
    served_provider(settings, provider)
    form = "json" if as_json else form
    until = last.date() if last else today_here()
    since = first.date() if first else until - timedelta(days=30)
    now = datetime.now(UTC)
    sample = (seed, size) if seed is not None else None
    table = release_table(settings)
    made = ResultsReport(table, keys_of(settings)[1], provider, since, until, now, lang, sample)
    with database(settings) as engine:
        with reading(engine).connect() as connection:
            document, counts = made.document(connection), made.counts(connection)
        if sample is not None:
            drawn = min(size, len(counts.lines))
            deed = AuditRecord(
                "operator:report:results", now, 200, client=operator(), provider=provider, interaction="results",
                rule=f"seed {seed}", resources=(("sample", drawn),),
            )  # fmt: skip
            audited(engine, settings, [deed])
    if form == "text" and output is None:
        to_console(document, console)
    else:
        text = as_html(document) if form == "html" else in_json(document)
        if output is None:
            click.echo(text, nl=False)
        else:
            output.write_text(text, encoding="utf-8")
            errors.print(f"{output} written", highlight=False, markup=False)
    if met(counts.total) == "not_met":
        raise SystemExit(FINDINGS)
