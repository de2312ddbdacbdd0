"""gateway explain: why a search finds what it finds, or nothing, for one person."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import click
from sqlalchemy import Engine

from auth.grants import Grant
from gateway.calendar import today_here
from gateway.cli.access import opened
from gateway.cli.context import as_json, as_served, console, database, emit, fail, with_settings
from gateway.collect.explain import Explanation, explained
from gateway.http.admission import Admission
from gateway.http.dispatch import FHIR
from gateway.http.exchange import Exchange
from gateway.http.fhir import FhirEndpoint
from gateway.http.progress import Progress
from gateway.problems import Problem, problem_of
from gateway.settings import Settings
from gateway.wiring import keys_of, wire
from gateway.wiring.endpoint import collector_of, endpoint_of
from profiles.record.bsn import valid_bsn
from profiles.standards.model import Standard


@click.command()
@click.argument("address")
@click.option("--patient", help="Id of the Patient in the store; without it the BSN is asked, or read from a pipe.")
@as_json
@with_settings
def explain(settings: Settings, address: str, patient: str | None, as_json: bool) -> None:
    """Explain the answer to a search, by source, mapping, filter and rule.

    ADDRESS is what a PGO asks: /provider/service/fhir/Type?parameters, or the whole URL. Sources are really asked, and
    it is recorded in the access trail. Counts and names are shown, no data. Exit code 1 when nothing was found.
    """
    settings = as_served(settings)
    bsn = "" if patient else _bsn()
    if not patient and not valid_bsn(bsn):
        fail("this is not a BSN")
    try:
        with database(settings) as engine:
            why = asyncio.run(_why(settings, engine, address, bsn, patient))
    except Problem as problem:
        fail(problem.text)
    if as_json:
        emit({"matches": why.matches, "included": why.included, "lines": list(why.lines())})
    for line in why.lines() if not as_json else ():
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not why.matches:
        raise SystemExit(1)


def _bsn() -> str:
    """Never an argument: the arguments of a process are for all to see."""
    asked = click.prompt("BSN", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    return str(asked).strip()


async def _why(settings: Settings, engine: Engine, address: str, bsn: str, patient: str | None) -> Explanation:
    wiring = wire(settings)
    try:
        endpoint = endpoint_of(wiring, collector_of(wiring))
        progress = _asked(endpoint, address)
        standard = progress.address.standard
        guide = endpoint.signpost.to(progress.address) if endpoint.signpost else ""
        if standard is None or not progress.address.listed or guide:
            raise Problem(404, "not-found", f"There is no such data service here. {guide}".strip())
        grant = _grant(settings, progress, bsn, patient)
        opened(engine, settings, "explain", provider=grant.provider, service=progress.service, person=grant.subject)
        return await _explained(endpoint, progress, standard, grant)
    finally:
        await wiring.close()


def _asked(endpoint: FhirEndpoint, address: str) -> Progress:
    parts = urlsplit(address)
    found = FHIR.fullmatch(parts.path)
    if found is None:
        raise Problem(400, "invalid", "The address is not /provider/service/fhir/Type?parameters.")
    scope = {"method": "GET", "path": parts.path, "query_string": parts.query.encode(), "headers": []}
    path = {**found.groupdict(), "rest": found["rest"] or ""}
    return Progress(Exchange.of(scope), endpoint.addresses.of(path, today_here()))


async def _explained(endpoint: FhirEndpoint, progress: Progress, standard: Standard, grant: Grant) -> Explanation:
    try:
        what, pairs = endpoint.admissions.opened(progress)
        admission = Admission(grant, standard, endpoint.admissions.question(progress, standard, what, pairs))
        wanted = admission.admitted.search
        if wanted is None:
            raise Problem(400, "invalid", "Only a search can be explained.")
        collected = await endpoint.answers.collected(progress, admission)
        found = await endpoint.answers.search(admission, wanted, collected.record)
        return await explained(collected, admission.admitted, wanted, found)
    except Exception as fault:
        # What a PGO would be told, in the same words.
        raise problem_of(endpoint.at_edge(fault)) from fault


def _grant(settings: Settings, progress: Progress, bsn: str, patient: str | None) -> Grant:
    """What a token of this person would stand for; it is kept nowhere."""
    pseudonyms, ring = keys_of(settings)
    provider, now = progress.address.provider, datetime.now(UTC)
    return Grant(
        digest=b"",
        client="operator",
        provider=provider,
        services=frozenset({progress.address.service_id}),
        subject=pseudonyms.of(bsn or f"patient|{provider}|{patient}"),
        sealed_bsn=ring.seal("bsn", bsn.encode()) if bsn else None,
        patient=patient,
        actor=None,
        issued=now,
        expires=now + timedelta(minutes=1),
        correlation_id=None,
        consent_id=None,
        function="collect",
    )
