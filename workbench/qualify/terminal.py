"""What a person at the terminal sees of a run: progress, what goes wrong, and the counts."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from workbench.qualify.discovery import ScriptSet
from workbench.qualify.engine import RunPlan, run_sets
from workbench.qualify.files import Files
from workbench.qualify.results import ScriptResult, SetResult, Status

_COLOURS = {
    Status.PASSED: "green",
    Status.WARNING: "yellow",
    Status.SKIPPED: "white",
    Status.NOT_EVALUATED: "magenta",
    Status.FAILED: "red",
}
_SHOWN = 3


def show_scripts(console: Console, sets: Sequence[ScriptSet]) -> None:
    """List what would run."""
    for script_set in sets:
        table = Table("role", "script", "title", title=script_set.title, title_justify="left")
        for role, scripts in script_set.roles.items():
            for script in scripts:
                table.add_row(role, script.path.rpartition("/")[2], script.title)
        console.print(table)
        if script_set.left_out:
            console.print(f"not chosen: {', '.join(script_set.left_out)} (--role)", highlight=False)


def run_with_progress(
    console: Console, sets: Sequence[ScriptSet], files: Files, plan: RunPlan, parallel: int, reach: Mapping[str, Any]
) -> list[SetResult]:
    """Run all scripts, telling of each that does not pass as it ends; ``reach`` says how httpx reaches the server."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    counts: Counter[Status] = Counter()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("Qualifying", total=sum(len(one.scripts) for one in sets))

        def told(_set: ScriptSet, result: ScriptResult) -> None:
            counts[result.status] += 1
            progress.advance(task)
            text = ", ".join(f"{count} {status}" for status, count in counts.items())
            progress.update(task, description=text)
            if result.problems:
                _tell(result, progress)

        async def all_of_them() -> list[SetResult]:
            async with httpx.AsyncClient(**reach) as client:
                return await run_sets(sets, files, client, plan, parallel=parallel, told=told)

        return asyncio.run(all_of_them())


def _tell(result: ScriptResult, progress: Progress) -> None:
    colour = _COLOURS[result.status]
    progress.console.print(f"[{colour}]{result.status.value}[/]", result.title, highlight=False, soft_wrap=True)
    for _test, action in result.problems[:_SHOWN]:
        text = f"    {action.status.value}: {action.description}: {action.reason or action.found}".replace(
            "\n", "\n      "
        )
        progress.console.print(text[:500], markup=False, highlight=False, soft_wrap=True)
    if len(result.problems) > _SHOWN:
        progress.console.print(f"    and {len(result.problems) - _SHOWN} more", highlight=False)


def summarise(console: Console, results: Sequence[SetResult], notes: Sequence[str]) -> None:
    """The counts per set, what was left out, and notes on how it was checked."""
    # Without frames, so that the counts fit beside the title in a terminal of 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("set", overflow="fold")
    for column in (*(status.value for status in Status), "seconds"):
        table.add_column(column, justify="right", overflow="fold")
    for result in results:
        seconds = sum(script.seconds for script in result.scripts)
        table.add_row(result.title, *(str(result.count(status) or "") for status in Status), f"{seconds:.1f}")
    console.print(table)
    for result in results:
        if result.left_out:
            console.print(f"not chosen in {result.title}: {', '.join(result.left_out)} (--role)", highlight=False)
    for note in notes:
        console.print(f"note: {note}", highlight=False)
