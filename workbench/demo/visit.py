"""The PGO visit in the terminal: the pages that were met, and a table of everything that was collected."""

import asyncio
import time

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.dossier.validity import check
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.client import NATIONAL, PgoClient, connect
from workbench.pgo.endpoints import GatewayEndpoints
from workbench.pgo.oauth import Tokens
from workbench.pgo.walk import VisitError, admitted


def run(
    gateway: GatewayEndpoints, provider: str, person: str, console: Console, fault: tuple[str, str] | None = None
) -> int:
    """Make a visit and print it; returns the exit code: 0 when every search was answered, else 1.

    ``fault`` is a source of the demo and what goes wrong with it once consent was given.
    """
    try:
        return asyncio.run(_run(gateway, provider, person, console, fault))
    except VisitError as error:
        console.print(f"[bold red]The visit stopped:[/] {error}")
        return 1


async def _run(
    gateway: GatewayEndpoints, provider: str, person: str, console: Console, fault: tuple[str, str] | None
) -> int:
    console.print(f"\n[bold]{person}[/] bezoekt [bold]{provider}[/] vanuit {gateway.client_id}\n", highlight=False)
    async with connect(timeout=NATIONAL.whole) as http:
        tokens = await admitted(
            http,
            gateway,
            provider,
            person,
            lambda page: console.print(
                f"  [green]✓[/] {page.title} [dim]→ {page.pressed} ({page.milliseconds} ms)[/]", highlight=False
            ),
        )
        console.print(f"  [green]✓[/] Toegang voor gegevensdienst {', '.join(tokens.services)}\n", highlight=False)
        if fault:
            await throw(http, gateway, *fault)
            console.print(f"  [yellow]![/] Bronsysteem {fault[0]} staat op: {fault[1]}\n", highlight=False)
        start = time.perf_counter()
        try:
            answers = await _shown(PgoClient(http, gateway), tokens, console)
        finally:
            if fault:
                await throw(http, gateway, fault[0], "normal")
        spent = time.perf_counter() - start
    console.print(_table(answers))
    console.print("[dim]Bron: live is tijdens dit bezoek opgevraagd, de rest was al aangeleverd.[/]", highlight=False)
    slow = max((answer.milliseconds for answer in answers), default=0)
    failed = [answer for answer in answers if answer.status != 200]
    console.print(
        f"\n{len(answers)} vragen in {spent:.2f} s, de traagste {slow} ms; {len(failed)} niet beantwoord.\n",
        highlight=False,
    )
    return 1 if failed or not answers else 0


async def throw(http: httpx.AsyncClient, gateway: GatewayEndpoints, source: str, switch: str) -> None:
    """Set a simulated source of the demo. Raises VisitError when the gateway has none of that name."""
    answer = await http.post(f"{gateway.base_url}/demo-ehr/{source}/switch/{switch}")
    if answer.status_code != 303:
        raise VisitError(f"the gateway has no simulated source {source}, or no switch {switch}")


async def _shown(pgo: PgoClient, tokens: Tokens, console: Console) -> tuple[SearchAnswer, ...]:
    columns = (TextColumn("  Gegevens ophalen"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        return await pgo.collect(tokens, lambda _answer, total: bar.update(task, advance=1, total=total))


def _table(answers: tuple[SearchAnswer, ...]) -> Table:
    table = Table(title="Opgehaald dossier", title_justify="left", header_style="bold")
    table.add_column("Onderdeel", min_width=30)
    table.add_column("Gevonden", justify="right")
    table.add_column("ms", justify="right")
    table.add_column("Bron")
    table.add_column("Controle")
    for service in dict.fromkeys(answer.search.service.name for answer in answers):
        table.add_section()
        table.add_row(f"[bold]{service}[/]")
        for answer in (one for one in answers if one.search.service.name == service):
            found = str(len(answer.matches)) + (f" +{len(answer.included)}" if answer.included else "")
            table.add_row(f"  {answer.name}", found, str(answer.milliseconds), _sources(answer), _validity(answer))
    return table


def _sources(answer: SearchAnswer) -> str:
    return "\n".join(f"{one.source}{' live' if one.live else ''} {one.count}" for one in answer.origins)


def _validity(answer: SearchAnswer) -> str:
    if answer.problems:
        return f"[red]{escape(answer.problems[0])}[/]"
    if not answer.matches:
        return "[dim]niets vastgelegd[/]"
    verdicts = [check(answer.search.standard.fhir, one) for one in (*answer.matches, *answer.included)]
    wrong = sum(one.kind == "wrong" for one in verdicts)
    if wrong:
        return f"[red]{wrong} met fouten[/]"
    return "[green]in orde[/]" if all(one.kind == "ok" for one in verdicts) else "deels te controleren"
