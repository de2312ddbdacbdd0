"""The rule extensions that the published scripts use, written again from what they are said to do.

A rule is known by the name of its file, which the script maps to the id that its asserts use.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from urllib.parse import unquote, urlsplit

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.tree import Resource
from workbench.qualify.context import ScriptContext
from workbench.qualify.exchange import MEDIA, Body, ScriptExchange
from workbench.qualify.masking import masked
from workbench.qualify.script import RuleCall

RuleOutcome = tuple[bool | None, str, str]
Rule = Callable[[ScriptContext, RuleCall], RuleOutcome]

_DATE_PARAMS = ("newDate", "alternativeDate", "date")


def _last(context: ScriptContext) -> ScriptExchange:
    exchange = context.last
    if exchange is None:
        raise LookupError("the engine runs rules only after a request")
    return exchange


def _spellings(value: str) -> set[str]:
    """A value, and for references the same with and without their types."""
    parts = [part.strip() for part in value.split(",")]
    return {value, ",".join(parts), ",".join(part.rpartition("/")[2] for part in parts)}


def _params_in_self_link(context: ScriptContext, _call: RuleCall) -> RuleOutcome:
    exchange = _last(context)
    resource = exchange.answer.resource if exchange.answer else None
    links = resource.get("link", []) if resource else []
    self_link = next((link.get("url", "") for link in links if link.get("relation") == "self"), None)
    if self_link is None:
        return False, "", "the answer has no self link"
    pairs = [pair.partition("=") for pair in unquote(urlsplit(self_link).query).split("&")]
    held = {(name, spelling) for name, _, value in pairs for spelling in _spellings(value)}
    missing = []
    for pair in unquote(urlsplit(exchange.url).query).split("&"):
        name, _, value = pair.partition("=")
        if pair and not any((name, spelling) in held for spelling in _spellings(value)):
            missing.append(pair)
    reason = f"not in the self link: {masked(', '.join(missing))}" if missing else ""
    return not missing, masked(self_link), reason


def _url_contains(context: ScriptContext, call: RuleCall) -> RuleOutcome:
    url = unquote(_last(context).url)
    wanted = [context.fill(value) for value in call.params.values()]
    if not wanted:
        return None, masked(url), "the rule has no parameter that says what the URL should contain"
    missing = [part for part in wanted if part not in url]
    return not missing, masked(url), f"not in the request URL: {masked(', '.join(missing))}" if missing else ""


def _task(context: ScriptContext) -> Resource | None:
    answer = _last(context).answer
    resource = answer.resource if answer else None
    # The Task was read, or found by a search; what it said of itself in words is of the state before.
    entries = resource.get("entry", []) if resource else []
    found = [resource, *(entry.get("resource") for entry in entries)]
    task = next((one for one in found if one and one.get("resourceType") == "Task"), None)
    return {name: deepcopy(value) for name, value in task.items() if name != "text"} if task else None


def _keep(context: ScriptContext, call: RuleCall, task: Resource) -> RuleOutcome:
    name = call.output or call.params.get("fixtureId")
    if not name:
        return None, "", "the rule does not say how the new Task is called"
    is_json = call.content_type == "json"
    body = jsonio.dump(task) if is_json else xmlio.dump(task, context.version)
    context.make_fixture(name, Body(body, MEDIA["json" if is_json else "xml"], context.version))
    return True, f"Task {task.get('id', '')} kept as {name}", ""


def _task_status(context: ScriptContext, call: RuleCall) -> RuleOutcome:
    task = _task(context)
    if task is None:
        return False, "", "the last answer is no Task"
    status = call.params.get("newStatus") or call.params.get("status")
    if not status:
        return None, "", "the rule does not say which status"
    return _keep(context, call, {**task, "status": context.fill(status)})


def _task_date(context: ScriptContext, call: RuleCall) -> RuleOutcome:
    task = _task(context)
    if task is None:
        return False, "", "the last answer is no Task"
    day = next((call.params[name] for name in _DATE_PARAMS if call.params.get(name)), None)
    if day is None:
        return None, "", "the rule does not say which date"
    period = dict(task.get("executionPeriod") or task.get("restriction", {}).get("period") or {})
    changed = {**task, "executionPeriod": {**period, "start": context.fill(day)}}
    status = call.params.get("newStatus")
    return _keep(context, call, {**changed, "status": context.fill(status)} if status else changed)


RULES: Mapping[str, Rule] = {
    "assert_response_queryParamsInSelfLink": _params_in_self_link,
    "assertRequestURLContains": _url_contains,
    "rewrite_response_taskStatus": _task_status,
    "rewrite_response_taskWithAlternativeDate": _task_date,
}
