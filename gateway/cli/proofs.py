"""gateway report vipp and pack: what an auditor gets."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from gateway.audit.heads import private_key
from gateway.audit.record import AuditRecord
from gateway.audit.signing import stated_heads
from gateway.audit.verify import verify
from gateway.calendar import today_here
from gateway.cli.access import audited, operator, release_table
from gateway.cli.context import (
    FINDINGS,
    as_json,
    console,
    database,
    emit,
    errors,
    fail,
    served_provider,
    with_settings,
)
from gateway.quality.verdicts import basis
from gateway.report.document import ReportDocument
from gateway.report.evidence import Evidence
from gateway.report.guide import guide_pdf
from gateway.report.pack import packed, shown
from gateway.report.render import as_html, to_console
from gateway.report.render import as_json as in_json
from gateway.report.results import ResultsReport
from gateway.report.trail import Period
from gateway.report.usage import UsageReport
from gateway.report.vipp import ListRefused, document
from gateway.report.visits import VisitsReport
from gateway.settings import Settings
from gateway.store.engine import snapshot
from gateway.usage.figures import days
from gateway.usage.keys import KeyDestroyed, YearKeys, destroy
from gateway.usage.proof import prove
from gateway.version import RELEASED, SOFTWARE
from gateway.wiring import audit_key_of, kept_since, keys_of
from profiles.standards.load import catalogue

_day = click.DateTime(["%Y-%m-%d"])


@click.command("vipp")
@click.option("--provider", required=True, help="MedMij name of the care provider.")
@click.option(
    "--list",
    "contacts",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV: bsn, contact, birth, dbc. Numbers become pseudonyms while it is read; none is kept.",
)
@click.option("--to", "last", type=_day, help="The reference date: the last day of the period; else yesterday.")
@click.option("--lang", type=click.Choice(["nl", "en"]), default="nl", show_default=True)
@as_json
@with_settings
def vipp_command(
    settings: Settings, provider: str, contacts: Path, last: datetime | None, lang: str, as_json: bool
) -> None:
    """VIPP figures with definition, norm and population: how many of the people with a contact got their data."""
    served_provider(settings, provider)
    pseudonyms, ring = keys_of(settings)
    day = last.date() if last else today_here()
    with database(settings) as engine, engine.connect() as connection:
        try:
            made = document(
                connection, provider, contacts.read_bytes(), day, datetime.now(UTC), pseudonyms, YearKeys(ring), lang
            )
        except (ListRefused, OSError) as fault:
            fail(f"{contacts}: {fault}")
        except KeyDestroyed:
            fail("the key of that year is destroyed: its persons cannot be counted any more")
    if as_json:
        click.echo(in_json(made), nl=False)
    else:
        to_console(made, console)


@click.command("pack")
@click.option("--provider", required=True, help="MedMij name of the care provider.")
@click.option("--from", "first", required=True, type=_day, help="First day.")
@click.option("--to", "last", required=True, type=_day, help="Last day: the reference date.")
@click.option("--seed", required=True, type=int, help="The auditor's number: it draws the sample.")
@click.option("--sample", "size", type=click.IntRange(0, 10_000), default=20, show_default=True)
@click.option("--add", "added", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="A file to add, such as a report of a qualification. More than once.")  # fmt: skip
@click.option("--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The zip to write.")
@as_json
@with_settings
def pack_command(
    settings: Settings,
    provider: str,
    first: datetime,
    last: datetime,
    seed: int,
    size: int,
    added: tuple[Path, ...],
    output: Path,
    as_json: bool,
) -> None:
    """One zip for an auditor: configuration without secrets, versions, figures, a sample, and the proof of the trail.

    Exit code 1 when the trail does not fit; the zip is written nevertheless, and says so.
    """
    served_provider(settings, provider)
    at, begin, end = datetime.now(UTC), first.date(), last.date()
    key = audit_key_of(settings)
    heads, untold = stated_heads(settings.audit)
    made = f"{at:%Y-%m-%d %H:%M UTC}"
    usage = UsageReport(catalogue(), made, "nl", provider, Period(begin, end))
    visits = VisitsReport(catalogue(), made, days(begin, end), f"{begin} - {end}", at, "nl", provider)
    results = ResultsReport(release_table(settings), keys_of(settings)[1], provider, begin, end, at, "nl", (seed, size))
    with database(settings) as engine:
        with snapshot(engine) as connection:
            evidence, _ = Evidence(usage, key, end, size, seed, (), heads).document(connection)
            faults = [*untold, *verify(connection, key, heads), *prove(connection, key, heads, kept_since(settings))]
            seen = visits.document(connection)
            seen_in_time = results.document(connection)
        files = {
            "configuratie.json": ("De instellingen, zonder geheimen.", _json(_configuration(settings))),
            "versies.json": ("Welke software en welke definities er waren.", _json(_versions(settings, provider))),
            **_both("bewijs", "Cijfers met norm, de steekproef (met het getal van de auditor) en de ketens.", evidence),
            **_both("bezoeken", "Bezoeken van voordeur tot gezien, met redenen.", seen),
            **_both("uitslagen", "Of uitslagen binnen zeven werkdagen te zien waren, en een steekproef.", seen_in_time),
            "vrijgaveregels.json": (
                "De regels voor vrijgave van uitslagen en voor gevoelige zorg, met hun versie.",
                _json(release_table(settings)),
            ),
            "keten.json": ("De controle van het toegangslogboek en van wat geteld is.", _json({"faults": faults})),
            **{f"bijlagen/{one.name}": ("Toegevoegd door de instelling.", one.read_bytes()) for one in added},
        }
        files |= _guide(settings, provider, f"{begin} - {end}", files, at, len(faults))
        secret = settings.audit.signing_key
        signer = private_key(secret.get_secret_value()) if secret else None
        content = packed(files, at, signer)
        deed = AuditRecord(
            "operator:report:pack", at, 200, client=operator(), provider=provider, interaction="pack",
            rule=f"{begin} {end} seed {seed}",
        )  # fmt: skip
        audited(engine, settings, [deed])
        output.touch(0o600)
        output.write_bytes(content)
    if as_json:
        emit({"output": str(output), "files": sorted(files), "signed": signer is not None, "faults": len(faults)})
    else:
        console.print(f"{output}: {len(files)} files, {len(faults)} faults in the trail", highlight=False)
    if faults:
        raise SystemExit(FINDINGS)


def _guide(
    settings: Settings, provider: str, period: str, files: Mapping[str, tuple[str, bytes]], at: datetime, faults: int
) -> dict[str, tuple[str, bytes]]:
    """The readable part as PDF/A; without the font of the settings there is none, and the command says so."""
    name = served_provider(settings, provider).display_name
    try:
        paper = guide_pdf(files, name, period, at, Path(settings.own_record.font), faults)
    except OSError:
        errors.print("no leeswijzer.pdf: own_record.font is not there", highlight=False, markup=False)
        return {}
    return {"leeswijzer.pdf": ("Wat elk bestand bewijst, om te lezen en te bewaren (PDF/A).", paper)}


def _both(name: str, proves: str, made: ReportDocument) -> dict[str, tuple[str, bytes]]:
    return {f"{name}.json": (proves, in_json(made).encode()), f"{name}.html": (proves, as_html(made).encode())}


def _configuration(settings: Settings) -> dict[str, Any]:
    told: dict[str, Any] = settings.model_dump(mode="json")
    return shown(told)


def _versions(settings: Settings, provider: str) -> dict[str, Any]:
    services = served_provider(settings, provider).services
    standards = {catalogue().service(service)[0].id: catalogue().service(service)[0] for service in services}
    return {
        "software": {"version": SOFTWARE, "released": RELEASED},
        "services": list(services),
        "definitions": {
            name: msgspec.to_builtins(basis(one, settings.package_cache)) for name, one in standards.items()
        },
        "made_on": today_here().isoformat(),
    }


def _json(data: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(data), indent=1)


@click.command("close")
@click.argument("year", type=click.IntRange(2020, 2100))
@click.option("--yes", is_flag=True, help="Do it: it cannot be undone.")
@as_json
@with_settings
def close_command(settings: Settings, year: int, yes: bool, as_json: bool) -> None:
    """Destroy the keys of a year that is over, after its figures were made: nobody can be told apart in it any more."""
    if year >= today_here().year:
        fail(f"{year} is not over")
    if not yes:
        fail("this cannot be undone: say --yes")
    with database(settings) as engine:
        # First on record, then done: what is destroyed can never be told of afterwards.
        deed = AuditRecord("operator:report:close", datetime.now(UTC), 200, client=operator(), rule=str(year))
        audited(engine, settings, [deed])
        with engine.begin() as connection:
            count = destroy(connection, year)
    if as_json:
        emit({"year": year, "destroyed": count})
    else:
        console.print(f"{count} keys of {year} destroyed", highlight=False)
