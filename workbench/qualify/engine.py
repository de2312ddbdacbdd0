"""Running scripts: request after request, assert after assert."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import httpx

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from workbench.qualify.asserts import describe, evaluate
from workbench.qualify.context import ScriptContext
from workbench.qualify.discovery import ScriptSet
from workbench.qualify.exchange import Body, ScriptExchange, Unsendable, media_type, method, send, target
from workbench.qualify.files import Files, MissingFile
from workbench.qualify.masking import masked
from workbench.qualify.ports import ProfileChecker
from workbench.qualify.results import ActionResult, ScriptResult, SetResult, Status, TestResult
from workbench.qualify.script import Action, Assertion, Operation, Script, Side
from workbench.qualify.variables import MissingVariable


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How to run: against which base, on which day, with which values.

    ``base`` gives the FHIR base for a script; ``default_format`` is asked of a script that names no format at all (one
    that does sends no Accept header where it names none, and gets the document itself rather than a Binary resource).
    With ``play_client`` the engine also sends the requests that the system under test would send, to the same base;
    otherwise they are reported as not evaluated.
    """

    base: Callable[[Script], str]
    today: date
    variables: Mapping[str, str] = field(default_factory=dict)
    checker: Callable[[ScriptSet], ProfileChecker | None] = lambda _set: None
    default_format: str = "xml"
    play_client: bool = False
    version: FhirVersion = FhirVersion.STU3


Told = Callable[[ScriptSet, ScriptResult], None]


async def run_sets(
    sets: Sequence[ScriptSet],
    files: Files,
    client: httpx.AsyncClient,
    plan: RunPlan,
    *,
    parallel: int = 1,
    told: Told = lambda _set, _result: None,
) -> list[SetResult]:
    """Run all scripts, ``parallel`` at a time; ``told`` hears of each script when it is done."""
    limit = asyncio.Semaphore(max(1, parallel))

    async def one(script_set: ScriptSet, role: str, script: Script, checker: ProfileChecker | None) -> ScriptResult:
        async with limit:
            result = await run_script(script, files, client, plan, role=role, checker=checker)
        told(script_set, result)
        return result

    results = []
    for script_set in sets:
        checker = plan.checker(script_set)
        jobs: list[Awaitable[ScriptResult]] = [
            one(script_set, role, script, checker) for role, scripts in script_set.roles.items() for script in scripts
        ]
        done = await asyncio.gather(*jobs)
        results.append(SetResult(script_set.name, script_set.title, done, script_set.left_out))
    return results


async def run_script(
    script: Script,
    files: Files,
    client: httpx.AsyncClient,
    plan: RunPlan,
    *,
    role: str = "",
    checker: ProfileChecker | None = None,
) -> ScriptResult:
    """Run one script and say what became of every action; it never raises for what the script or server does."""
    context = ScriptContext(
        script,
        files,
        today=plan.today,
        version=script.version or plan.version,
        overrides=plan.variables,
        checker=checker,
    )
    run = _Run(context, client, plan)
    start = time.monotonic()
    tests = [await run.test(test.id, test.name, test.description, test.actions) for test in script.tests]
    tests += run.not_known()
    seconds = time.monotonic() - start
    return ScriptResult(script.id, script.title, script.description, role, script.path, tests, seconds)


class _Run:
    def __init__(self, context: ScriptContext, client: httpx.AsyncClient, plan: RunPlan) -> None:
        self._context = context
        self._client = client
        self._plan = plan
        self._stopped = ""

    def not_known(self) -> list[TestResult]:
        script = self._context.script
        features = list(script.unknown)
        features += [f"fixture.autocreate ({one.id})" for one in script.fixtures.values() if one.autocreate]
        features += [f"fixture.autodelete ({one.id})" for one in script.fixtures.values() if one.autodelete]
        if not features:
            return []
        reason = f"not known to this engine: {', '.join(features)}"
        return [TestResult("Script", "", [ActionResult(Status.NOT_EVALUATED, "script", reason, reason=reason)])]

    async def test(self, test_id: str, name: str, description: str, actions: Sequence[Action]) -> TestResult:
        if test_id == "teardown":
            self._stopped = ""
        results = []
        for action in actions:
            result = await self._action(action)
            results.append(result)
            fatal = isinstance(action, Assertion) and action.stop_on_fail
            if result.status is Status.FAILED and (fatal or test_id == "setup"):
                self._stopped = f"the script stopped at: {result.description}"
        return TestResult(name, description, results)

    async def _action(self, action: Action) -> ActionResult:
        kind = "operation" if isinstance(action, Operation) else "assert"
        text = action.description or action.label
        if self._stopped:
            check = describe(action) if isinstance(action, Assertion) else ""
            return ActionResult(Status.SKIPPED, kind, text, check, reason=self._stopped)
        return await self._operation(action) if isinstance(action, Operation) else self._assertion(action)

    def _assertion(self, assertion: Assertion) -> ActionResult:
        text, check = assertion.description or assertion.label, describe(assertion)
        if self._context.last is None and self._context.unsent and not assertion.source_id:
            return ActionResult(Status.SKIPPED, "assert", text, check, reason=self._context.unsent)
        outcome = evaluate(self._context, assertion)
        status = Status.PASSED if outcome.ok else Status.NOT_EVALUATED if outcome.ok is None else Status.FAILED
        if status is Status.FAILED and assertion.warning_only:
            status = Status.WARNING
        return ActionResult(status, "assert", text, check, outcome.found, outcome.reason)

    async def _operation(self, operation: Operation) -> ActionResult:
        context = self._context
        text = operation.description or operation.label or operation.code
        context.last, context.unsent = None, "the request before it was not answered"
        try:
            self._reachable(operation)
            exchange = self._prepared(operation)
        except MissingVariable as error:
            status = Status.FAILED if error.given_by_server else Status.NOT_EVALUATED
            return ActionResult(status, "operation", text, reason=masked(str(error)))
        except (Unsendable, MissingFile) as error:
            return ActionResult(Status.NOT_EVALUATED, "operation", text, reason=str(error))
        check = masked(f"{exchange.method} {exchange.url}")
        try:
            await send(self._client, exchange, context.version)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = f"no answer: {type(error).__name__} {masked(str(error))}".strip()
            return ActionResult(Status.FAILED, "operation", text, check, reason=reason, traffic=exchange.traffic)
        context.keep(exchange, operation.response_id, operation.request_id)
        found = f"HTTP {exchange.status}"
        return ActionResult(Status.PASSED, "operation", text, check, found, traffic=exchange.traffic)

    def _reachable(self, operation: Operation) -> None:
        if operation.unknown:
            raise Unsendable(f"not known to this engine: {', '.join(operation.unknown)}")
        script = self._context.script
        if self._plan.play_client or script.side is Side.LOAD:
            return
        if (operation.origin or 1) in script.tested_origins and (operation.origin or script.side is Side.CLIENT):
            raise Unsendable("the system under test sends this request; this engine does not wait for one")
        if operation.destination is not None and operation.destination not in script.tested_destinations:
            raise Unsendable("this request goes to the test simulator, not to the system under test")

    def _prepared(self, operation: Operation) -> ScriptExchange:
        context = self._context
        open_format = operation.accept is None and not context.script.formats
        accept = media_type(self._plan.default_format if open_format else operation.accept)
        headers = {"Accept": accept} if accept else {}
        body = self._body(operation)
        if body is not None:
            headers["Content-Type"] = body.media
        for name, value in operation.headers:
            headers[name] = context.fill(value)
        filled = {
            "url": context.fill(operation.url) if operation.url else None,
            "params": context.fill(operation.params) if operation.params else None,
        }
        url = target(operation, self._plan.base(context.script).rstrip("/"), filled, self._target_id(operation))
        return ScriptExchange(method(operation), url, headers, body)

    def _body(self, operation: Operation) -> Body | None:
        if not operation.source_id:
            return None
        content = self._context.content(operation.source_id)
        if content is None:
            raise MissingFile(f"there is no {operation.source_id} to send")
        wanted = operation.content_type if operation.content_type in ("xml", "json") else None
        if wanted is None:
            return content
        return Body(content.in_format(wanted), media_type(wanted) or content.media, content.version)

    def _target_id(self, operation: Operation) -> str | None:
        if not operation.target_id:
            return None
        content = self._context.content(operation.target_id)
        resource: Resource = (content.resource if content else None) or {}
        found = resource.get("id")
        return str(found) if found else None
