"""gateway pgo: be a PGO from the command line, against any DVA."""

import asyncio
import json
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.cli.context import FINDINGS, as_json, console, errors, fail
from profiles.fhir.version import FhirVersion
from profiles.receivers.load import ReceiverError
from profiles.receivers.load import receiver as known_receiver
from workbench.pgo.answering import (
    SERVICE as QUESTIONNAIRES,
)
from workbench.pgo.answering import (
    example_answers,
    open_tasks,
    questionnaire_of,
    response_of,
    send_answers,
)
from workbench.pgo.back import BackError, TakenError, answer_of, is_loopback, listen
from workbench.pgo.client import Patience, PgoClient, connect, tls
from workbench.pgo.conversation import after_consent, refreshed, revoked
from workbench.pgo.endpoints import Dva, EndpointError, Endpoints, GatewayEndpoints, checked, resources_of
from workbench.pgo.kept import keep, kept
from workbench.pgo.oauth import PendingAuthorization, PgoError, Tokens, authorization_request
from workbench.pgo.parcels import PARCELS, example
from workbench.pgo.receiving import patience_of
from workbench.pgo.report import KitReport, save, show
from workbench.pgo.sharing import ShareAnswer
from workbench.pgo.walk import Aids, PageWalk, VisitError

C = TypeVar("C", bound=Callable[..., Any])

FORM = "questionnaire"
"""The example that is a conversation: fill in the first questionnaire that is ready."""
Send = Callable[[PgoClient, Tokens], Awaitable[ShareAnswer]]

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _identity(command: C) -> C:
    """The options that say who we are and whom we trust."""
    for option in (
        click.option("--ca", type=FILE, help="PEM file of the authorities to trust, in place of the system's."),
        click.option("--key", type=FILE, help="PEM file with the key of the certificate."),
        click.option("--cert", type=FILE, help="PEM file with our client certificate (mutual TLS)."),
    ):
        command = option(command)
    return command


def _output(command: C) -> C:
    """The options that say where the findings go."""
    for option in (
        as_json,
        click.option(
            "--save", "folder", type=click.Path(file_okay=False, path_type=Path), help="Keep every answer here."
        ),
        click.option("--service", "services", multiple=True, help="Search this data service only; may be repeated."),
    ):
        command = option(command)
    return command


def _waiting(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how long we wait and how far we read; the command gets them as ``patience``."""

    @click.option(
        "--first-byte",
        type=click.FloatRange(0.1, 60),
        help="Give up on a search that does not begin within so many seconds, and ask once more. PGOs: 5.",
    )
    @click.option(
        "--pages", type=click.IntRange(1, 1000), default=1, show_default=True, help="Pages to read of one answer."
    )
    @wraps(command)
    def wrapper(*args: Any, first_byte: float | None, pages: int, **kwargs: Any) -> None:
        patience = Patience(first_byte=first_byte, repeats=0 if first_byte is None else 1, pages=pages)
        command(*args, patience=patience, **kwargs)

    return wrapper


@click.group()
def pgo() -> None:
    """Be a PGO: try a DVA as its clients do.

    Exit codes: 0 everything was answered well, 1 something was found, 2 wrong usage.
    """


@pgo.command()
@click.option("--authorize", required=True, help="Authorization endpoint.")
@click.option("--token", required=True, help="Token endpoint.")
@click.option(
    "--resource",
    "resources",
    required=True,
    multiple=True,
    help="FHIR base URL; {provider} and {service} are filled in. SERVICE=URL for one data service; may be repeated.",
)
@click.option("--client-id", required=True, help="Host name of the PGO on the OAuth client list.")
@click.option("--redirect-uri", required=True, help="Where the DVA sends the browser back.")
@click.option("--provider", required=True, help="MedMij name of the care provider, without @medmij.")
@click.option("--scope", default="", help="Scope of the request; default: the provider's name.")
@click.option("--login", "person", help="Walk through the pages without a browser, as the person with this name.")
@click.option("--tick", multiple=True, help="With --login: tick the boxes with these words, for a lasting consent.")
@click.option("--fill", multiple=True, help="With --login: NAME=VALUE of a form field, for a login of your own.")
@click.option("--browser", is_flag=True, help="Open the authorization URL in a browser.")
@click.option(
    "--wait", type=click.FloatRange(1, 3600), default=300.0, show_default=True, help="Seconds for the person."
)
@click.option("--keep", "session", type=click.Path(dir_okay=False, path_type=Path), help="Keep the tokens here.")
@click.option("--receiver", help="Ask and wait as this app does, and tell what it would show: mgo.")
@_output
@_identity
@_waiting
def visit(
    authorize: str,
    token: str,
    resources: tuple[str, ...],
    client_id: str,
    redirect_uri: str,
    provider: str,
    scope: str,
    person: str | None,
    tick: tuple[str, ...],
    fill: tuple[str, ...],
    browser: bool,
    wait: float,
    session: Path | None,
    receiver: str | None,
    services: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
    patience: Patience,
    cert: Path | None,
    key: Path | None,
    ca: Path | None,
) -> None:
    """Authorize, exchange the code, run every search of the granted services, and tell what is wrong.

    Without --login a person goes through the pages: open the URL that is printed. A redirect URI on a loopback address
    is listened to; otherwise paste the address to which the browser was sent back.
    """
    try:
        dva = Endpoints(
            client_id,
            checked(redirect_uri, "redirect URI"),
            checked(authorize, "authorization endpoint"),
            checked(token, "token endpoint"),
            resources_of(resources),
        )
        identity, front = tls(ca, cert, key), tls(ca, None, None)
        as_ = known_receiver(receiver) if receiver else None
    except (EndpointError, ReceiverError) as error:
        fail(str(error))
    if any("=" not in one for one in fill):
        fail("--fill wants NAME=VALUE")
    aids = Aids({one.partition("=")[0]: one.partition("=")[2] for one in fill}, tick)
    asked = authorization_request(dva, provider, scope)

    async def go() -> tuple[KitReport, Tokens | None]:
        if person is not None:
            async with connect(front) as http:
                answer = await _walked(PageWalk(http, dva.redirect_uri, person, aids), asked)
        else:
            answer = _by_hand(asked, dva, browser=browser, wait=wait)
        async with connect(identity) as http:
            waits = patience_of(as_) if as_ else patience
            return await after_consent(PgoClient(http, dva, waits), asked, answer, services, as_)

    try:
        report, tokens = asyncio.run(go())
    except (VisitError, BackError) as error:
        report, tokens = KitReport(provider, stopped=str(error)), None
    if session is not None and tokens is not None:
        _written(lambda: keep(session, dva, tokens), session)
    _end(report, folder, as_json)


async def _walked(walk: PageWalk, asked: PendingAuthorization) -> dict[str, str]:
    return await walk.authorize(
        asked, lambda page: errors.print(f"  {page.title} -> {page.pressed} ({page.milliseconds} ms)", markup=False)
    )


def _by_hand(asked: PendingAuthorization, dva: Endpoints, *, browser: bool, wait: float) -> dict[str, str]:
    click.echo(f"Open this address and go through the pages:\n\n{asked.url}\n", err=True)

    def ready() -> None:
        if browser:
            # Some browsers end only when they are closed: they must not keep us from listening.
            threading.Thread(target=webbrowser.open, args=(asked.url,), daemon=True).start()

    if is_loopback(dva.redirect_uri):
        try:
            return listen(dva.redirect_uri, wait, ready)
        except TakenError as error:
            click.echo(f"{error}.", err=True)
    ready()
    try:
        pasted = click.prompt("Paste the address to which you were sent back", err=True)
    except click.Abort as error:
        raise BackError("no address was pasted") from error
    return answer_of(pasted, dva.redirect_uri)


@pgo.command("share")
@click.argument("file", type=FILE, required=False)
@click.option(
    "--example", "name", type=click.Choice(sorted([*PARCELS, FORM])), help="Send an example instead of a file."
)
@click.option("--gateway", "base", default="http://127.0.0.1:8080", show_default=True, help="Base URL of the gateway.")
@click.option("--provider", required=True, help="MedMij name of the care provider, without @medmij.")
@click.option("--service", help="Data service id; with --example that of the example.")
@click.option("--login", "person", required=True, help="Name of the test person who logs in and confirms.")
@click.option("--r4", is_flag=True, help="The file is FHIR R4, not STU3.")
def share_command(
    file: Path | None, name: str | None, base: str, provider: str, service: str | None, person: str, r4: bool
) -> None:
    """Send a Bundle (Delen): confirm as the person, post FILE or an example, and tell what became of each entry."""
    if (file is None) == (name is None):
        fail("give a file, or --example")
    version = FhirVersion.R4 if r4 else FhirVersion.STU3
    body = b""
    if name == FORM:
        service = service or QUESTIONNAIRES
    elif name is not None:
        parcel, body = example(name, person)
        version, service = parcel.version, service or parcel.service
    elif file is not None:
        body = file.read_bytes()
    if not service:
        fail("a file needs --service")
    try:
        dva = GatewayEndpoints(checked(base, "gateway").rstrip("/"), f"{base.rstrip('/')}/demo-pgo/callback")
        sending = _filled_in if name == FORM else lambda client, tokens: client.share(tokens, service, body, version)
        answer = asyncio.run(_shared(dva, provider, service, person, sending))
    except (EndpointError, VisitError, PgoError) as error:
        fail(str(error))
    for line in answer.said:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for one in answer.entries:
        told = f"{one.status}  {one.what}  {one.location}  {one.why}".rstrip()
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    console.print(f"HTTP {answer.status}: {'everything was taken' if answer.taken else 'not everything was taken'}")
    raise SystemExit(0 if answer.taken else FINDINGS)


async def _shared(dva: Dva, provider: str, service: str, person: str, sending: Send) -> ShareAnswer:
    asked = authorization_request(dva, provider, f"{provider}~{service}")
    async with connect() as http:
        back = await _walked(PageWalk(http, dva.redirect_uri, person), asked)
        client = PgoClient(http, dva)
        return await sending(client, await client.redeem(asked, back))


async def _filled_in(client: PgoClient, tokens: Tokens) -> ShareAnswer:
    """The first questionnaire that is ready for the person, with something for each question."""
    tasks = await open_tasks(client, tokens)
    if not tasks:
        raise PgoError("Er staat geen vragenlijst klaar.", "nothing to fill in")
    questionnaire = await questionnaire_of(client, tokens, tasks[0])
    response = response_of(questionnaire, tasks[0], example_answers(questionnaire))
    return await send_answers(client, tokens, tasks[0], response)


@pgo.command()
@click.option("--keep", "session", type=FILE, required=True, help="The file of 'visit --keep'; it gets the new tokens.")
@_output
@_identity
@_waiting
def refresh(
    session: Path,
    services: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
    patience: Patience,
    cert: Path | None,
    key: Path | None,
    ca: Path | None,
) -> None:
    """Get new tokens without the person, and run the searches with them."""

    async def go() -> tuple[KitReport, Tokens | None]:
        async with connect(identity) as http:
            return await refreshed(PgoClient(http, before.endpoints, patience), before, services)

    try:
        before, identity = kept(session), tls(ca, cert, key)
    except EndpointError as error:
        fail(str(error))
    report, tokens = asyncio.run(go())
    if tokens is not None:
        _written(lambda: keep(session, before.endpoints, tokens), session)
    _end(report, folder, as_json)


@pgo.command()
@click.option("--keep", "session", type=FILE, required=True, help="The file of 'visit --keep'.")
@click.option("--revoke", "url", required=True, help="Revocation endpoint.")
@_identity
def revoke(session: Path, url: str, cert: Path | None, key: Path | None, ca: Path | None) -> None:
    """End the consent from the PGO's side, and see that the tokens are dead at once."""

    async def go() -> list[str]:
        async with connect(identity) as http:
            return await revoked(
                PgoClient(http, before.endpoints, Patience()), before, checked(url, "revocation endpoint")
            )

    try:
        before, identity = kept(session), tls(ca, cert, key)
        problems = asyncio.run(go())
    except EndpointError as error:
        fail(str(error))
    for problem in problems:
        console.print(problem, markup=False, style="red")
    if problems:
        raise SystemExit(FINDINGS)
    console.print("Revoked; the tokens are refused.")


def _written(write: Callable[[], None], path: Path) -> None:
    try:
        write()
    except OSError as error:
        fail(f"{path}: {error.strerror}")


def _end(report: KitReport, folder: Path | None, as_json: bool) -> None:
    if folder is not None:
        _written(lambda: save(folder, report), folder)
    if as_json:
        click.echo(json.dumps(report.as_data(), indent=2, ensure_ascii=False))
    else:
        show(report, console)
    raise SystemExit(0 if report.clean else FINDINGS)
