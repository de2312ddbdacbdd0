"""The checks of an assert, one function each; ``CHECKS`` is the list of what this engine evaluates."""

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from profiles import fhirpath
from profiles.fhirpath import FhirPathError, as_text
from workbench.qualify.compare import UnknownOperator, difference, holds
from workbench.qualify.context import ScriptContext, expression_escape
from workbench.qualify.exchange import Body, ScriptExchange
from workbench.qualify.files import MissingFile
from workbench.qualify.masking import masked
from workbench.qualify.rules import RULES
from workbench.qualify.script import Assertion
from workbench.qualify.variables import MissingVariable

_RESPONSES = {
    "okay": 200, "created": 201, "noContent": 204, "notModified": 304, "bad": 400, "forbidden": 403, "notFound": 404,
    "methodNotAllowed": 405, "conflict": 409, "gone": 410, "preconditionFailed": 412, "unprocessable": 422,
}  # fmt: skip
_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SHOWN = 600


class AssertOutcome(NamedTuple):
    """``ok`` is None when the check could not be evaluated; ``found`` is what was there, ``reason`` why it is wrong."""

    ok: bool | None
    found: str = ""
    reason: str = ""


Check = Callable[[ScriptContext, Assertion, str], AssertOutcome]


def evaluate(context: ScriptContext, assertion: Assertion) -> AssertOutcome:
    """The outcome of an assert: all its checks must hold; anything unknown in it leaves it not evaluated."""
    if assertion.unknown:
        return AssertOutcome(None, reason=f"not known to this engine: {', '.join(assertion.unknown)}")
    outcomes = []
    try:
        if assertion.rule:
            outcomes.append(_rule(context, assertion))
        for name, wanted in assertion.checks.items():
            check = CHECKS.get(name)
            if check is None:
                return AssertOutcome(None, reason=f"not known to this engine: assert.{name}")
            outcomes.append(check(context, assertion, wanted))
    except UnknownOperator as error:
        return AssertOutcome(None, reason=str(error))
    except MissingVariable as error:
        return AssertOutcome(False if error.given_by_server else None, reason=str(error))
    except MissingFile as error:
        return AssertOutcome(None, reason=str(error))
    if not outcomes:
        return AssertOutcome(None, reason="the assert names nothing to check")
    return min(outcomes, key=lambda outcome: (outcome.ok is not False, outcome.ok is not None))


def describe(assertion: Assertion) -> str:
    """What an assert checks, in one line: the expression, or the check with its operator and value."""
    parts = [f"rule {assertion.rule.rule_id}"] if assertion.rule else []
    for name, wanted in assertion.checks.items():
        relation = f" {assertion.operator}" if assertion.operator else ""
        if name in ("expression", "headerField"):
            value = "" if assertion.value is None else f" {assertion.value}"
            parts.append(f"{wanted}{relation}{value}" if name == "expression" else f"{name} {wanted}{relation}{value}")
        else:
            parts.append(f"{name}{relation} {wanted}")
    return masked("; ".join(parts))


def _sent_or_answered(context: ScriptContext, assertion: Assertion) -> Body | None:
    if assertion.source_id:
        return context.content(assertion.source_id)
    exchange = context.last
    if exchange is None:
        return None
    return exchange.sent if assertion.direction == "request" else exchange.answer


def _exchange(context: ScriptContext, assertion: Assertion) -> ScriptExchange:
    exchange = context.exchange(assertion.source_id) or context.last
    if exchange is None:
        raise MissingFile("there is no request to look at")
    return exchange


def _compared(assertion: Assertion, found: list[str], wanted: str, what: str) -> AssertOutcome:
    shown = masked(", ".join(found))[:_SHOWN]
    if holds(assertion.operator, found, wanted):
        return AssertOutcome(True, shown)
    return AssertOutcome(
        False, shown, f"{what} is {shown or 'absent'}, wanted: {assertion.operator or 'equals'} {wanted}"
    )


def _response_code(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    return _compared(assertion, [str(_exchange(context, assertion).status)], wanted, "the HTTP status")


def _response(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    if wanted not in _RESPONSES:
        return AssertOutcome(None, reason=f"the response {wanted!r} is not known")
    return _compared(assertion, [str(_exchange(context, assertion).status)], str(_RESPONSES[wanted]), "the HTTP status")


def _headers(context: ScriptContext, assertion: Assertion) -> Mapping[str, str]:
    exchange = _exchange(context, assertion)
    chosen = exchange.headers if assertion.direction == "request" else exchange.answer_headers
    return {name.lower(): value for name, value in chosen.items()}


def _header_field(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    value = context.fill(assertion.value or "")
    found = _headers(context, assertion).get(wanted.lower())
    if found and wanted.lower() == "content-type" and ";" not in value:
        found = found.partition(";")[0].strip()
    return _compared(assertion, [] if found is None else [found], value, f"the header {wanted}")


def _content_type(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    found = _headers(context, assertion).get("content-type", "").partition(";")[0].strip()
    short = "json" if found.endswith("json") else "xml" if found.endswith("xml") else found
    return _compared(assertion, [short if wanted in ("xml", "json") else found], wanted, "the content type")


def _request_url(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    url = _exchange(context, assertion).url
    text = context.fill(wanted)
    ok = holds(assertion.operator, [unquote(url)], text)
    return AssertOutcome(ok, masked(url), "" if ok else f"the request URL is {masked(url)}")


def _request_method(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    return _compared(assertion, [_exchange(context, assertion).method.lower()], wanted.lower(), "the method")


def _resource(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    content = _sent_or_answered(context, assertion)
    if content is None or content.resource is None:
        return AssertOutcome(False, reason=content.fault if content else "there is no body")
    return _compared(assertion, [content.resource["resourceType"]], wanted, "the resource type")


def _values(context: ScriptContext, content: Body | None, text: str) -> list[str] | AssertOutcome:
    """What an expression gives, as texts; an AssertOutcome when it cannot be evaluated."""
    filled = context.fill(text, expression_escape)
    try:
        expression = fhirpath.compile(filled)
    except FhirPathError as error:
        return AssertOutcome(None, reason=str(error))
    if content is None or content.node is None:
        return AssertOutcome(False, reason=content.fault if content else "there is no body")
    try:
        return [as_text(value) for value in expression.evaluate(content.node, context.version)]
    except FhirPathError as error:
        return AssertOutcome(False, reason=str(error))


def _expression(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    actual = _values(context, _sent_or_answered(context, assertion), wanted)
    if isinstance(actual, AssertOutcome):
        return actual
    if assertion.compare_to:
        other = _compared_to(context, assertion)
        return other if isinstance(other, AssertOutcome) else _compared(assertion, actual, other, "the value")
    if assertion.value is not None or assertion.operator not in (None, "eval"):
        return _compared(assertion, actual, context.fill(assertion.value or ""), "the value")
    shown = masked(", ".join(actual))[:_SHOWN] or "(empty)"
    if (len(actual) == 1 and actual[0] != "false") or len(actual) > 1:
        return AssertOutcome(True, shown)
    return AssertOutcome(False, shown, f"the expression gives {shown}{_culprits(context, assertion, wanted)}")


def _culprits(context: ScriptContext, assertion: Assertion, wanted: str) -> str:
    """The elements to blame, for a reader: where they are and what they hold."""
    content = _sent_or_answered(context, assertion)
    if content is None or content.node is None:
        return ""
    expression = fhirpath.compile(context.fill(wanted, expression_escape))
    found = expression.blame(content.node, context.version)
    lines = [f"{where} {json.dumps(data, ensure_ascii=False, default=str)[:160]}".strip() for where, data in found]
    return masked("".join(f"\n{line}" for line in lines))


def _compared_to(context: ScriptContext, assertion: Assertion) -> str | AssertOutcome:
    source, text = assertion.compare_to.get("id"), assertion.compare_to.get("expression")
    if not source or not text:
        return AssertOutcome(None, reason="compareToSource without expression (a path is not evaluated)")
    values = _values(context, context.content(source), text)
    return values if isinstance(values, AssertOutcome) else ",".join(values)


def _minimum(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    least = context.content(wanted)
    if least is None or least.resource is None:
        return AssertOutcome(None, reason=f"the fixture {wanted} cannot be read")
    content = _sent_or_answered(context, assertion)
    if content is None or content.resource is None:
        return AssertOutcome(False, reason=content.fault if content else "there is no body")
    missing = difference(least.resource, content.resource)
    return AssertOutcome(missing is None, reason=masked(missing or "")[:_SHOWN])


def _profile(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    canonical = context.script.profiles.get(wanted)
    if canonical is None:
        return AssertOutcome(None, reason=f"the script does not say which profile {wanted} is")
    if context.checker is None:
        return AssertOutcome(None, reason="no validator is at hand")
    content = _sent_or_answered(context, assertion)
    if content is None or content.resource is None:
        return AssertOutcome(False, reason=content.fault if content else "there is no body")
    core = f"{_CORE}{content.resource['resourceType']}"
    verdict = context.checker.check(content.resource, context.version, [] if canonical == core else [canonical])
    texts = masked("\n".join(verdict.texts))[: 4 * _SHOWN]
    if verdict.outcome == "unchecked":
        return AssertOutcome(None, texts, f"the profiles could not be checked: {texts}")
    return AssertOutcome(verdict.outcome == "ok", texts or verdict.outcome, "" if verdict.outcome == "ok" else texts)


def _navigation_links(context: ScriptContext, assertion: Assertion, wanted: str) -> AssertOutcome:
    found = _values(context, _sent_or_answered(context, assertion), "Bundle.link.relation")
    if isinstance(found, AssertOutcome):
        return found
    ok = wanted != "true" or {"first", "last", "next"} <= set(found)
    return AssertOutcome(ok, ", ".join(found), "" if ok else "the Bundle lacks a first, last or next link")


def _rule(context: ScriptContext, assertion: Assertion) -> AssertOutcome:
    call = assertion.rule
    if call is None:
        return AssertOutcome(None, reason="there is no rule")
    rule = RULES.get(context.script.rules.get(call.rule_id, call.rule_id).replace("-", "_"))
    if rule is None:
        return AssertOutcome(None, reason=f"the rule {call.rule_id} is not known to this engine")
    if context.last is None:
        return AssertOutcome(None, reason="there is no request to look at")
    return AssertOutcome(*rule(context, call))


CHECKS: Mapping[str, Check] = {
    "contentType": _content_type,
    "expression": _expression,
    "headerField": _header_field,
    "minimumId": _minimum,
    "navigationLinks": _navigation_links,
    "requestMethod": _request_method,
    "requestURL": _request_url,
    "resource": _resource,
    "response": _response,
    "responseCode": _response_code,
    "validateProfileId": _profile,
}
