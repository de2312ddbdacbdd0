"""gateway qualify: the official test scripts, against this gateway or any other server."""

import fnmatch
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import httpx

from gateway.cli.context import (
    FINDINGS,
    as_served,
    console,
    database,
    errors,
    fail,
    needs_store,
    unknown_provider,
    with_settings,
)
from gateway.settings import Settings
from workbench.qualify.discovery import ScriptSet, find_sets
from workbench.qualify.engine import RunPlan
from workbench.qualify.files import Files, MissingFile, open_files
from workbench.qualify.loadset import QualificationSet, UnloadableSet, load_set, read_tokens, token_table
from workbench.qualify.ports import ProfileChecker
from workbench.qualify.profilecheck import OwnChecker
from workbench.qualify.reading import UnreadableScript
from workbench.qualify.report import write_reports
from workbench.qualify.results import Status, worst
from workbench.qualify.script import Script
from workbench.qualify.terminal import run_with_progress, show_scripts, summarise


class _RunByDefault(click.Group):
    """``gateway qualify DIR`` means ``gateway qualify run DIR``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_RunByDefault)
def qualify() -> None:
    """Official qualification scripts: load a set's test data, run its scripts.

    Exit codes: 0 everything was evaluated and holds (warnings allowed), 1 something failed or could not be evaluated,
    2 wrong usage, or nothing could be tried.
    """


def _day(_context: click.Context, _parameter: click.Parameter, value: str | None) -> date:
    try:
        return date.fromisoformat(value) if value else datetime.now(UTC).astimezone().date()
    except ValueError:
        raise click.BadParameter("give a day as YYYY-MM-DD") from None


def _pairs(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    wrong = [value for value in values if not value.partition("=")[0] or "=" not in value]
    if wrong:
        raise click.BadParameter("give NAME=VALUE")
    return {name: value for name, _, value in (value.partition("=") for value in values)}


_date_option = click.option(
    "--date", "today", callback=_day, help="The day that dates are relative to; today if absent."
)


@qualify.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--provider", required=True, help="MedMij name of the care provider that gets the data.")
@click.option("--service", "services", required=True, multiple=True, help="Service that the tokens open (repeatable).")
@click.option("--tokens", "tokens_file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--source", default="qualification", show_default=True, help="Name of the source the data come from.")
@click.option("--skip", multiple=True, help="Leave out fixtures, by Type/id; * and ? are wildcards (repeatable).")
@click.option("--as-published", is_flag=True, help="Keep document identifiers and files elsewhere as they are.")
@_date_option
@with_settings
def load(
    settings: Settings,
    folder: Path,
    provider: str,
    services: Sequence[str],
    tokens_file: Path | None,
    source: str,
    skip: Sequence[str],
    as_published: bool,
    today: date,
) -> None:
    """Put the fixtures and tokens of a set (folder or .zip) into this gateway. Test mode only.

    The token table is Configuration/QualificationTokens.json at or above FOLDER, or --tokens FILE. A script asks for
    dates relative to the day it runs, so load again on another day, or give both commands the same --date.
    Documents get identifiers of their own, and files that lie on a web site become blank pages in this gateway, since
    the scripts test a server that serves its own documents; --as-published keeps them as they are.
    """
    from gateway.intake.outcome import ImportOutcome
    from workbench.qualify.stored import StoredSet

    if settings.mode != "test":
        fail("test sets are for test mode only")
    known = as_served(settings).providers
    if provider not in known:
        unknown_provider(provider, known)
    unknown = [service for service in services if service not in known[provider].services]
    if unknown:
        fail(f"{provider} does not offer service {unknown[0]}; it offers {', '.join(known[provider].services)}")
    needs_store(settings)
    loaded = _loaded_set(folder, tokens_file, today, skip, as_published)
    with database(settings) as engine:
        for line in loaded.problems:
            _tell(line)
        outcome = ImportOutcome(lambda origin, reason: _tell(f"{origin}: {reason}"))
        kept = StoredSet(engine, settings, loaded.bsn)
        kept.store(loaded.items, provider, source, outcome)
        kept.tokens(loaded.tokens(provider, services))
    refused = len(loaded.problems) + outcome.refused + outcome.blocked
    console.print(
        f"{outcome.stored} stored, {outcome.unchanged} unchanged, {refused} refused, {len(loaded.patients)} tokens; "
        f"dates relative to {today}",
        highlight=False,
    )
    if refused:
        raise SystemExit(FINDINGS)


def _tell(line: str) -> None:
    errors.print(line, highlight=False, markup=False, soft_wrap=True)


def _loaded_set(
    folder: Path, tokens_file: Path | None, today: date, skip: Sequence[str], as_published: bool
) -> QualificationSet:
    try:
        files, start = open_files(folder)
        rows = read_tokens(tokens_file.read_bytes()) if tokens_file else token_table(files, folder)
        return load_set(files, start, rows, today, skip=skip, as_published=as_published)
    except (MissingFile, UnloadableSet, UnreadableScript, OSError) as fault:
        fail(str(fault))


@qualify.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--base", "bases", multiple=True, help="FHIR base URL; or PATTERN=URL for scripts whose path fits.")
@click.option("--role", "roles", multiple=True, help="Role folder, e.g. XIS-Server (repeatable); else server roles.")
@click.option("--format", "fmt", type=click.Choice(["xml", "json", "both"]), default="both", show_default=True)
@click.option("--script", "only", multiple=True, help="Only scripts whose path contains this (repeatable).")
@click.option("--variable", "variables", multiple=True, callback=_pairs, help="NAME=VALUE for a script variable.")
@click.option("--report", type=click.Path(path_type=Path, file_okay=False), help="Write HTML, JSON and JUnit XML here.")
@click.option("--parallel", type=click.IntRange(1, 32), default=1, show_default=True, help="Scripts at a time.")
@click.option("--timeout", type=click.FloatRange(1, 600), default=30, show_default=True, help="Seconds per request.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Extra certificate authority.")
@click.option(
    "--cert", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Client certificate, key in it."
)
@click.option("--proxy", help="URL of a proxy; none is taken from the environment.")
@click.option("--package", "packages", multiple=True, help="Validate with this package from the cache (repeatable).")
@click.option("--no-validation", is_flag=True, help="Do not check profiles; such asserts are then not evaluated.")
@click.option("--as-client", is_flag=True, help="Also send what the system under test would send itself.")
@click.option("--list", "only_list", is_flag=True, help="List the scripts, run nothing.")
@_date_option
def run(
    folder: Path,
    bases: Sequence[str],
    roles: Sequence[str],
    fmt: str,
    only: Sequence[str],
    variables: Mapping[str, str],
    report: Path | None,
    parallel: int,
    timeout: float,
    ca: Path | None,
    cert: Path | None,
    proxy: str | None,
    packages: Sequence[str],
    no_validation: bool,
    as_client: bool,
    only_list: bool,
    today: date,
) -> None:
    """Run the scripts of a folder or .zip against a server and report what held.

    Without --role the scripts that test a server are run, save alternatives to another role; the report names those.
    """
    files, sets = _chosen(folder, roles, fmt, only)
    if only_list:
        show_scripts(console, sets)
        return
    checkers: list[OwnChecker] = []

    def checker(script_set: ScriptSet) -> ProfileChecker | None:
        if no_validation:
            return None
        checkers.append(OwnChecker(packages or script_set.packages))
        return checkers[-1]

    default_format = "json" if fmt == "json" else "xml"
    plan = RunPlan(_base_of(bases), today, variables, checker, default_format, play_client=as_client)
    started = datetime.now(UTC).astimezone()
    reach = {"timeout": timeout, "verify": _tls(ca, cert), "proxy": proxy, "trust_env": False}
    for base in dict.fromkeys(plan.base(script) for one in sets for script in one.scripts):
        _reachable(base, reach)
    results = run_with_progress(errors, sets, files, plan, parallel, reach)
    notes = list(dict.fromkeys(note for one in checkers for note in one.notes))
    facts = [
        ("Server", ", ".join(bases)),
        ("Scripts", str(folder.resolve().name)),
        ("Run at", started.isoformat(timespec="seconds")),
        ("Dates relative to", today.isoformat()),
        *(("Note", note) for note in notes),
    ]
    summarise(console, results, notes)
    if report:
        try:
            written = write_reports(report, results, facts)
        except OSError as fault:
            fail(f"{report}: {fault.strerror}")
        console.print(f"report: {written[0]}", highlight=False, soft_wrap=True)
    if worst(result.status for result in results) in (Status.FAILED, Status.NOT_EVALUATED):
        raise SystemExit(FINDINGS)


def _chosen(folder: Path, roles: Sequence[str], fmt: str, only: Sequence[str]) -> tuple[Files, list[ScriptSet]]:
    try:
        files, start = open_files(folder)
        sets = find_sets(files, start, roles, () if fmt == "both" else (fmt,))
    except (MissingFile, UnreadableScript) as fault:
        fail(str(fault))
    if only:
        sets = [replace(one, roles=_matching(one.roles, only)) for one in sets]
    sets = [one for one in sets if one.scripts]
    if not sets:
        fail(f"{folder}: no scripts found" + (f" for role {', '.join(roles)}" if roles else ""))
    return files, sets


def _matching(roles: Mapping[str, Sequence[Script]], only: Sequence[str]) -> dict[str, list[Script]]:
    kept = {role: [one for one in scripts if any(part in one.path for part in only)] for role, scripts in roles.items()}
    return {role: scripts for role, scripts in kept.items() if scripts}


def _base_of(bases: Sequence[str]) -> Callable[[Script], str]:
    general = [base for base in bases if "=" not in base.partition("://")[0]]
    special = [base.partition("=")[::2] for base in bases if base not in general]
    if not general and not special:
        fail("give the FHIR base of the server with --base URL")
    wrong = [url for url in (*general, *(url for _, url in special)) if not url.startswith(("http://", "https://"))]
    if wrong:
        fail(f"{wrong[0]} is no http or https URL")

    def base(script: Script) -> str:
        for pattern, url in special:
            if fnmatch.fnmatch(script.path, f"*{pattern}*"):
                return url
        if not general:
            fail(f"no --base fits {script.path}")
        return general[0]

    return base


def _tls(ca: Path | None, cert: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        if ca:
            context.load_verify_locations(ca)
        if cert:
            context.load_cert_chain(cert)
    except (OSError, ssl.SSLError) as fault:
        fail(f"{cert or ca}: {fault.strerror or fault}")
    return context


def _reachable(base: str, reach: Mapping[str, Any]) -> None:
    """Any answer will do; without one there is nothing to qualify."""
    try:
        with httpx.Client(**reach) as client:
            client.get(f"{base.rstrip('/')}/metadata")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as fault:
        fail(f"no server answers at {base}: {fault}")
