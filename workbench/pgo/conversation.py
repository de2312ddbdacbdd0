"""A PGO's visit to any DVA, step by step; what goes wrong is written in the report and ends the visit."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

import httpx

from profiles.receivers.load import Receiver
from profiles.standards.load import UnknownService, catalogue
from workbench.pgo.client import PgoClient
from workbench.pgo.endpoints import EndpointError
from workbench.pgo.judge import of_redirect, of_tokens
from workbench.pgo.kept import KeptVisit
from workbench.pgo.oauth import PendingAuthorization, PgoError, TokenAnswer, Tokens, code_of
from workbench.pgo.receiving import received, searches_of
from workbench.pgo.report import KitReport


async def after_consent(
    pgo: PgoClient,
    asked: PendingAuthorization,
    answer: Mapping[str, str],
    only: tuple[str, ...],
    as_: Receiver | None = None,
) -> tuple[KitReport, Tokens | None]:
    """From the redirect to the last search. ``only`` limits the searches to these data services; ``as_`` is the app
    whose searches are sent, and which judges what comes."""
    report = KitReport(asked.provider)
    report.notes += of_redirect(answer)
    try:
        code = code_of(asked, answer)
    except PgoError as error:
        report.stopped = _told(error, answer)
        return report, None
    start = time.perf_counter()
    try:
        token = await pgo.exchange(asked, code)
    except httpx.HTTPError as error:
        report.stopped = f"the token endpoint gave no answer: {type(error).__name__}: {error}"
        return report, None
    tokens = _judged(report, token, start)
    if tokens is not None:
        await searches(pgo, tokens, only, report, as_)
    return report, tokens


async def refreshed(pgo: PgoClient, session: KeptVisit, only: tuple[str, ...]) -> tuple[KitReport, Tokens | None]:
    """New tokens without the person (TOKEN-04, LTC-11), and every search with them."""
    report = KitReport(session.provider)
    if not session.refresh_token:
        report.stopped = "there is no refresh token: the consent was for once"
        return report, None
    start = time.perf_counter()
    try:
        token = await pgo.refresh(session.refresh_token)
    except httpx.HTTPError as error:
        report.stopped = f"the token endpoint gave no answer: {type(error).__name__}: {error}"
        return report, None
    tokens = _judged(report, token, start)
    if tokens is None:
        return report, None
    if not tokens.refresh_token:
        report.notes.append("no new refresh token came: the old one is kept (LTC-04 expects rotation)")
        tokens = replace(tokens, refresh_token=session.refresh_token)
    await searches(pgo, tokens, only, report)
    return report, tokens


async def revoked(pgo: PgoClient, session: KeptVisit, url: str) -> list[str]:
    """Revoke the whole grant (LTC-08), and see that it works at once (LTC-09). Returns what is wrong."""
    token, hint = session.refresh_token or session.access_token, "refresh_token" if session.refresh_token else ""
    problems = []
    try:
        answer = await pgo.revoke(url, token, hint)
        if answer.status != 200:
            problems.append(f"the revocation endpoint answered with status {answer.status}, not 200 (LTC-08)")
        tokens = Tokens(session.provider, session.services, session.access_token, 0, "", str(uuid4()))
        answers = await pgo.collect(tokens)
    except (httpx.HTTPError, EndpointError) as error:
        return [*problems, f"no answer: {type(error).__name__}: {error}"]
    alive = sum(one.status == 200 for one in answers)
    if alive:
        problems.append(f"{alive} searches are still answered with the revoked token (LTC-09)")
    odd = sorted({one.status for one in answers} - {200, 401})
    if odd:
        problems.append(f"searches with the revoked token gave status {', '.join(map(str, odd))}, not 401 (CT-87)")
    return problems


async def searches(
    pgo: PgoClient, tokens: Tokens, only: tuple[str, ...], report: KitReport, as_: Receiver | None = None
) -> None:
    """Every search of the granted services, at the same time, into the report."""
    wanted = tuple(one for one in tokens.services if not only or one in only)
    report.notes += [
        f"data service {one} was asked for and is not granted" for one in only if one not in tokens.services
    ]
    for service in wanted:
        try:
            catalogue().service(service)
        except UnknownService:
            report.notes.append(f"data service {service} is granted; no standard that we know describes its searches")
    try:
        granted = replace(tokens, services=wanted)
        if as_ is None:
            report.answers = await pgo.collect(granted)
        else:
            asked = searches_of(as_, pgo.dva, granted)
            report.answers = await asyncio.gather(*(pgo.search(one, granted) for one in asked))
            report.receiver = as_.title
            report.received = list(received(as_, report.answers))
    except EndpointError as error:
        report.stopped = str(error)
        return
    if not report.answers:
        report.stopped = "nothing was granted that can be searched"


def _judged(report: KitReport, token: TokenAnswer, start: float) -> Tokens | None:
    spent = round((time.perf_counter() - start) * 1000)
    report.granted(token)
    report.token_problems += of_tokens(token, spent, report.provider)
    if token.given:
        return token.tokens(report.provider)
    report.stopped = "no access token"
    return None


def _told(error: PgoError, answer: Mapping[str, str]) -> str:
    if error.code == "state":
        return "the state in the redirect is not the one that was sent (AUTH-09)"
    if "error" in answer:
        return f"the DVA refused: {answer['error']} {answer.get('error_description', '')}".strip()
    return "the redirect carries neither a code nor an error"
