"""gateway adapters: which sources there are, and what each can deliver."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import click

from adapters.mapping.compiled import load_mapping
from adapters.mapping.coverage import measure
from adapters.port import Adapter, AdapterError, AdapterMisconfigured, Closes, Coverage, CoverageLevel, Probes
from adapters.registry import build, known, load
from gateway.cli.context import FINDINGS, as_json, console, emit, fail, listing, unknown_provider, with_settings
from gateway.cli.mapping import draft_command, explain_command, names_command, packs_command, preview_command
from gateway.sections import ProviderSettings
from gateway.settings import Settings
from profiles.standards.load import catalogue
from profiles.standards.model import Standard

PATIENCE = 10.0
"""Seconds that a probe may take per source."""


@dataclass(frozen=True, slots=True)
class CoverageLine:
    """What one source can do for one request row."""

    provider: str
    source: str
    standard: str
    row: str
    type: str
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class ProbeFault:
    """A source that cannot be probed."""

    provider: str
    source: str
    text: str


@click.group()
def adapters() -> None:
    """Sources (EHR adapters): what is installed, and what each can deliver."""


@adapters.command("list")
@as_json
def list_command(as_json: bool) -> None:
    """List the adapter types that are installed."""
    summaries: dict[str, str] = {}
    for name in sorted(known()):
        try:
            summaries[name] = load(name).summary
        except AdapterMisconfigured as fault:
            summaries[name] = f"cannot be used: {fault.text}"
    if as_json:
        emit([{"type": name, "summary": summary} for name, summary in summaries.items()])
        return
    table = listing("type", "summary")
    for row in summaries.items():
        table.add_row(*row)
    console.print(table)


@adapters.command("probe")
@click.option("--provider", "only_provider", help="Only this provider.")
@click.option("--standard", "only_standard", help="Only this standard.")
@as_json
@with_settings
def probe_command(settings: Settings, only_provider: str | None, only_standard: str | None, as_json: bool) -> None:
    """Ask each source what it can deliver: per standard and request row deliverable, partly or no.

    Exit code 1 when a source does not answer, 2 when one is configured wrongly.
    """
    if only_standard is not None and only_standard not in catalogue().standards:
        fail(f"there is no standard {only_standard!r}; see gateway standards list")
    providers = {name: one for name, one in settings.providers.items() if only_provider in (None, name)}
    if only_provider is not None and not providers:
        unknown_provider(only_provider, settings.providers)
    try:
        lines, faults = asyncio.run(_probe(providers, only_standard))
    except AdapterMisconfigured as fault:
        fail(fault.text)
    if as_json:
        emit({"rows": lines, "faults": faults})
    else:
        _show(lines, faults, providers)
    if faults:
        raise SystemExit(FINDINGS)


@adapters.command("coverage")
@click.argument("mapping", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@as_json
def coverage_command(mapping: Path, as_json: bool) -> None:
    """Show per zib which elements a mapping file fills, and which are missing and why."""
    try:
        compiled = load_mapping(mapping)
    except AdapterMisconfigured as fault:
        fail(fault.text)
    rows = [
        one
        for section in compiled.sections
        if (zib := section.zib) is not None
        for one in measure(section.name, zib.name, zib.elements, zib.missing, profile=section.profile)
    ]
    if as_json:
        emit([{name: getattr(one, name) for name in ("zib", "element", "mapped", "reason")} for one in rows])
        return
    table = listing("zib", "element", "mapped", "why not")
    for one in rows:
        table.add_row(one.zib, one.element, "yes" if one.mapped else "no", one.reason)
    console.print(table)
    console.print(f"{sum(one.mapped for one in rows)} of {len(rows)} zib elements are mapped", highlight=False)


for one_command in (names_command, explain_command, draft_command, packs_command, preview_command):
    adapters.add_command(one_command)


async def _probe(
    providers: Mapping[str, ProviderSettings], only_standard: str | None
) -> tuple[list[CoverageLine], list[ProbeFault]]:
    lines: list[CoverageLine] = []
    faults: list[ProbeFault] = []
    for name, provider in providers.items():
        standards = [catalogue().standards[only_standard]] if only_standard else _standards(provider)
        for raw in provider.sources:
            adapter = build(raw)
            try:
                if isinstance(adapter, Probes):
                    await adapter.probe(time.monotonic() + PATIENCE)
                lines.extend(_lines(name, adapter, standards))
            except AdapterMisconfigured:
                raise
            except AdapterError as fault:
                faults.append(ProbeFault(name, adapter.name, fault.text))
            finally:
                if isinstance(adapter, Closes):
                    await adapter.aclose()
    return lines, faults


def _standards(provider: ProviderSettings) -> list[Standard]:
    """The standards of the services that a provider offers; all when it names none."""
    every = sorted(catalogue().standards.values(), key=lambda standard: (standard.ring, standard.id))
    offered = set(provider.services)
    return [one for one in every if not offered or any(service.id in offered for service in one.services)]


def _lines(provider: str, adapter: Adapter, standards: Sequence[Standard]) -> Iterator[CoverageLine]:
    for standard in standards:
        for rule in standard.rules:
            if rule.method != "GET" or rule.type is None:
                continue
            found: Coverage = adapter.capabilities.of(standard.id, rule.id, standard.fhir, rule.type)
            yield CoverageLine(provider, adapter.name, standard.id, rule.id, rule.type, found.level.value, found.text)


def _show(
    lines: Sequence[CoverageLine], faults: Sequence[ProbeFault], providers: Mapping[str, ProviderSettings]
) -> None:
    if not any(provider.sources for provider in providers.values()):
        console.print("No sources are configured: what was pushed or imported is served.", highlight=False)
        console.print(f"Installed adapter types: {', '.join(sorted(known()))}", highlight=False)
        return
    # A table per source and standard: what is the same in every row stands above it, once.
    for heading, rows in groupby(lines, lambda line: (line.provider, line.source, line.standard)):
        console.print(" / ".join(heading), style="bold", highlight=False, markup=False)
        table = listing("row", "type", "delivers", "remark")
        for line in rows:
            table.add_row(line.row, line.type, line.level, line.text)
        console.print(table)
    counted = Counter(line.level for line in lines)
    console.print(", ".join(f"{counted[level.value]} {level.value}" for level in CoverageLevel), highlight=False)
    for fault in faults:
        console.print(f"{fault.provider}/{fault.source}: {fault.text}", highlight=False, markup=False)
