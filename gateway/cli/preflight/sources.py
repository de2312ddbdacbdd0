"""Who is served, from where, with which definitions: providers, live sources, the national lists, FHIR packages."""

import asyncio
import time
from collections.abc import Iterator

from adapters.port import Adapter, AdapterError, AdapterMisconfigured, Closes, Probes
from auth.clients.notices import Notice
from auth.clients.open import NoSource, open_lists
from gateway.calendar import today_here
from gateway.cli.preflight import PreflightLine, counted
from gateway.collect.pipeline import sources_of
from gateway.settings import Settings
from gateway.testmode import NO_PROVIDERS
from profiles.standards.load import catalogue
from profiles.validation.schema.packages import default_cache, installed

PATIENCE = 10.0
"""Seconds that a source has to answer."""


def providers(settings: Settings) -> Iterator[PreflightLine]:
    """Each provider, with what it offers."""
    services = catalogue().services
    if not settings.providers:
        yield PreflightLine("providers", "error", NO_PROVIDERS if settings.mode == "test" else "none configured")
    for name, provider in settings.providers.items():
        unknown = [id_ for id_ in provider.services if id_ not in services]
        if unknown:
            yield PreflightLine(f"provider {name}", "error", f"unknown services: {', '.join(unknown)}")
        else:
            yield PreflightLine(f"provider {name}", "ok", counted(len(provider.services), "service"))
        for id_ in provider.services:
            if id_ in services and not catalogue().addressed(id_, today_here()):
                text = f"service {id_} is not in force today: it is neither offered nor served"
                yield PreflightLine(f"provider {name}", "warning", text)


def sources(settings: Settings) -> Iterator[PreflightLine]:
    """Each live source is asked once what it can deliver; one that is down is a warning, one set wrongly an error."""
    for name, provider in settings.providers.items():
        try:
            found = sources_of(provider, 0)
        except AdapterMisconfigured as fault:
            yield PreflightLine(f"sources of {name}", "error", fault.text)
            continue
        for source in found.live.sources:
            yield asyncio.run(_answers(f"source {source.adapter.name} of {name}", source.adapter))


async def _answers(what: str, adapter: Adapter) -> PreflightLine:
    started = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            if isinstance(adapter, Probes):
                await adapter.probe(started + PATIENCE)
    except AdapterMisconfigured as fault:
        return PreflightLine(what, "error", fault.text)
    except AdapterError as fault:
        return PreflightLine(what, "warning", fault.text)
    except TimeoutError:
        return PreflightLine(what, "warning", "does not answer in time")
    finally:
        if isinstance(adapter, Closes):
            await adapter.aclose()
    if not isinstance(adapter, Probes):
        return PreflightLine(what, "ok", "cannot be asked what it delivers")
    return PreflightLine(what, "ok", f"answers in {(time.monotonic() - started) * 1000:.0f} ms")


def lists(settings: Settings) -> Iterator[PreflightLine]:
    """The national lists, as a start would have them."""
    notices: list[Notice] = []
    try:
        held, puller = open_lists(settings.lists, settings.tls, notify=notices.append)
    except NoSource as fault:
        yield PreflightLine("lists", "error", str(fault))
        return
    asyncio.run(puller.refresh())
    yield from (PreflightLine(f"list {one.kind.value}", "error", one.text) for one in notices if one.alarm)
    if held.state.usable():
        minutes = int(held.state.age().total_seconds() // 60)
        yield PreflightLine("lists", "ok" if minutes < 60 else "warning", f"{minutes} minutes old")
    else:
        yield PreflightLine("lists", "error", "absent or too old: no new authorization can start")


def packages(settings: Settings) -> Iterator[PreflightLine]:
    """The official definitions of the standards that are offered; without them the zibs of 2017 have our own tables."""
    folder = default_cache(settings.package_cache)
    there = {(one.name, one.version) for one in installed(folder)}
    services = {id_ for provider in settings.providers.values() for id_ in provider.services}
    offered = [one for one in catalogue().standards.values() if services & {service.id for service in one.services}]
    wanted = {named for standard in offered for named in standard.packages.items()}
    lacking = sorted(f"{name}@{version}" for name, version in wanted - there)
    where = f"{folder} (package_cache)"
    if lacking:
        text = f"not in {where}: {', '.join(lacking)}; gateway packages add"
        yield PreflightLine("packages", "warning", text)
    elif wanted:
        yield PreflightLine("packages", "ok", f"{counted(len(wanted), 'package')} in {where}")
