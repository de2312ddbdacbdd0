"""What a PGO notices about a DVA's answers: each rule looks at one answer and says in a sentence what is wrong."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.pgo.answers import SearchAnswer, dicts, entries, issues
from workbench.pgo.oauth import TokenAnswer

SLOW_TOKEN, SLOW_SEARCH = 10_000, 60_000
"""Milliseconds within which a token endpoint (TOKEN-14) and a resource endpoint (RES-02) must answer."""
_BSN = "http://fhir.nl/fhir/NamingSystem/bsn"
_NUMBER = re.compile(r"\d{9}")


def of_redirect(answer: Mapping[str, str]) -> list[str]:
    """What stands in the redirect besides the code and the state (AUTH-13)."""
    extra = sorted(answer.keys() - {"code", "state", "error", "error_description", "error_uri", "iss"})
    return [f"the redirect carries {', '.join(extra)}, which no rule names (AUTH-13)"] if extra else []


def of_tokens(answer: TokenAnswer, milliseconds: int, provider: str) -> list[str]:
    """What is wrong with a token answer (TOKEN-10, TOKEN-11, TOKEN-14, TOKEN-17)."""
    return list(_token_problems(answer, milliseconds, provider))


def _token_problems(answer: TokenAnswer, milliseconds: int, provider: str) -> Iterator[str]:
    if milliseconds > SLOW_TOKEN:
        yield f"the answer took {milliseconds} ms; the limit is {SLOW_TOKEN} (TOKEN-14)"
    media = answer.headers.get("content-type", "")
    if media.partition(";")[0].strip().lower() != "application/json":
        yield f"the Content-Type is {media or 'absent'}, not application/json (TOKEN-10)"
    if "no-store" not in answer.headers.get("cache-control", "").lower():
        yield "Cache-Control is not no-store (TOKEN-10)"
    if answer.status != 200:
        error = answer.body.get("error")
        yield f"status {answer.status}{f': {error}' if error else ' without an OAuth error (TOKEN-17)'}"
        return
    if not answer.given:
        yield "there is no access_token (TOKEN-10)"
        return
    body = answer.body
    if str(body.get("token_type", "")).lower() != "bearer":
        yield "token_type is not Bearer (TOKEN-10)"
    if body.get("expires_in") != 900:
        yield f"expires_in is {body.get('expires_in', 'absent')}, not 900 (TOKEN-11)"
    combos = str(body.get("scope", "")).split()
    if not combos or any(combo.partition("~")[0] != provider or not combo.partition("~")[2] for combo in combos):
        yield f"the scope does not list {provider}~SERVICE for each granted service (SCOPE-09)"


def of_search(reply: SearchAnswer) -> list[str]:
    """What is wrong with the answer to a search, the most telling first (RES-02, RES-08, RES-11, RES-12, IDN-06)."""
    return list(_search_problems(reply))


def _search_problems(reply: SearchAnswer) -> Iterator[str]:
    if reply.failure:
        yield f"no answer: {reply.failure}"
        return
    try:
        body = json.loads(reply.raw)
    except (ValueError, RecursionError):
        body = None
    kind = body.get("resourceType") if isinstance(body, dict) else None
    if reply.status != 200:
        told = "; ".join(_told(body)) if isinstance(body, dict) and kind == "OperationOutcome" else ""
        yield f"status {reply.status}{f': {told}' if told else ' without an OperationOutcome (RES-11)'}"
        return
    if not isinstance(body, dict) or kind != "Bundle" or body.get("type") != "searchset":
        yield "the answer is no searchset"
        return
    yield from _bundle_problems(reply, body)


def _bundle_problems(reply: SearchAnswer, bundle: Mapping[str, Any]) -> Iterator[str]:
    for resource, _ in entries(bundle):
        if resource["resourceType"] == "OperationOutcome":
            yield from _told(resource)
    if reply.media.partition(";")[0].strip() != "application/fhir+json":
        yield f"the Content-Type is {reply.media or 'absent'}, not application/fhir+json (RES-08)"
    if reply.milliseconds > SLOW_SEARCH:
        yield f"the answer took {reply.milliseconds} ms; the limit is {SLOW_SEARCH} (RES-02)"
    links = {str(link.get("relation")) for link in dicts(bundle.get("link"))}
    if "self" not in links:
        yield "there is no self link (RES-12)"
    if "next" in links:
        yield "there is a next page; a PGO reads one page"
    if bundle.get("total") is not None and bundle["total"] != len(reply.matches):
        yield f"total says {bundle['total']}, {len(reply.matches)} matches came (RES-12)"
    wanted = reply.search.rule.type
    odd = sorted({str(one.get("resourceType")) for one in reply.matches} - {wanted})
    if odd:
        yield f"matches of type {', '.join(odd)} came, {wanted} was asked"
    if reply.tries > 1:
        yield f"it was answered at try {reply.tries}: before that no byte came in time (SC-P5)"
    if any(_has_bsn(one) for one in (*reply.matches, *reply.included, *(one for one, _ in entries(bundle)))):
        yield "a BSN stands in the body (IDN-06)"


def _has_bsn(node: Any) -> bool:
    if isinstance(node, dict):
        if node.get("system") == _BSN and _NUMBER.fullmatch(str(node.get("value", ""))):
            return True
        return any(map(_has_bsn, node.values()))
    return isinstance(node, list) and any(map(_has_bsn, node))


def _told(outcome: Mapping[str, Any]) -> Iterator[str]:
    return (text or code or "an issue without text" for text, code in issues(outcome))
