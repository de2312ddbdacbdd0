"""Running official scripts against a gateway that a test started."""

import asyncio
from datetime import UTC, date, datetime

import httpx
from servers import Running

from workbench.qualify.discovery import find_sets
from workbench.qualify.engine import RunPlan, run_sets
from workbench.qualify.files import Files
from workbench.qualify.profilecheck import OwnChecker
from workbench.qualify.results import ScriptResult, Status

PROVIDER = "ziekenhuiszandoord"


def today() -> date:
    """The day that fixtures and scripts take their dates from."""
    return datetime.now(UTC).date()


def run_scripts(
    server: Running, files: Files, start: str, service: str, roles: list[str], parallel: int = 4, **values: str
) -> list[ScriptResult]:
    """Run the scripts of these roles (empty: all that test a server) against one data service.

    ``values`` are variables that a script lacks.
    """
    base = f"{server.base}/{PROVIDER}/{service}/fhir"

    async def go() -> list[ScriptResult]:
        plan = RunPlan(base=lambda _script: base, today=today(), variables=values, checker=lambda _set: OwnChecker())
        async with httpx.AsyncClient(timeout=30) as client:
            results = await run_sets(find_sets(files, start, roles), files, client, plan, parallel=parallel)
        return [script for result in results for script in result.scripts]

    return asyncio.run(go())


def complaint(script: ScriptResult) -> str:
    """What went wrong in a script, in a few lines."""
    lines = [
        f"  {action.status}: {action.check or action.description}: {action.found} {action.reason}"
        for test in script.tests
        for action in test.actions
        if action.status is not Status.PASSED
    ]
    return "\n".join([f"{script.id}: {script.status}", *lines[:5]])
