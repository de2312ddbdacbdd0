"""gateway serve: run the service."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

from adapters.port import AdapterMisconfigured
from auth.clients.open import NoSource
from auth.peer.listeners import server
from gateway.app import create_app
from gateway.cli.context import bench, database, fail, needs_store, with_settings
from gateway.cli.db import upgrade
from gateway.health import store_probe
from gateway.intake import listener
from gateway.intake.login import LoginFault
from gateway.logs import configure
from gateway.settings import Settings, SettingsError, refusals
from gateway.testmode import NO_PROVIDERS
from gateway.watch import watching
from gateway.wiring import wire_intake


@click.command()
@click.option("--host", help="Address to listen on; overrides the settings.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; overrides the settings.")
@click.option(
    "--part",
    type=click.Choice(["all", "public", "intake"]),
    default="all",
    show_default=True,
    help="public: without the listeners for pushed data; intake: only those.",
)
@with_settings
def serve(settings: Settings, host: str | None, port: int | None, part: str) -> None:
    """Serve the FHIR endpoints, the authorization server, health and the OpenAPI UI, and take in pushed data."""
    if part == "intake":
        run_intake(settings)
        return
    if part == "public":
        settings = settings.model_copy(update={"intake": settings.intake.model_copy(update={"sources": {}})})
    run(listening(settings, host, port))


def listening(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings with the address of the command line."""
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return settings.model_copy(update={"listen": settings.listen.model_copy(update=chosen)})


def run(settings: Settings, *, demo: bool = False) -> None:
    """Check, migrate in test mode, and serve until stopped."""
    workbench = bench(settings)
    if settings.mode == "test" and workbench is None and not settings.providers:
        fail(f"cannot start: {NO_PROVIDERS}")
    prepare(settings, logging.WARNING if demo else logging.INFO)
    with _starting():
        made = server(
            create_app(settings, workbench=workbench, demo=demo),
            settings.tls,
            settings.connections,
            host=settings.listen.host,
            port=settings.listen.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        _settle()
        listener.run(made, wire_intake(settings) if settings.intake.sources else None)


def run_intake(settings: Settings) -> None:
    """The same for the listeners of pushed data alone."""
    if not settings.intake.sources:
        fail("intake.sources: none configured")
    prepare(settings, logging.INFO)
    with _starting():
        made = wire_intake(settings)
        with watching(settings.metrics, store_probe(made.engine), lambda: 0.0):
            listener.run_alone(made)


def prepare(settings: Settings, level: int) -> None:
    """Refuse what production may not do, set up logging, and migrate in test mode."""
    if found := refusals(settings):
        fail("\n".join(f"refused: {line}" for line in found))
    configure(level)
    if settings.mode == "test":
        with database(settings, create=True) as engine:
            upgrade(engine)
    else:
        needs_store(settings)


def _settle() -> None:
    """What start made (standards, tables) stays: the garbage collector need not walk it for every few requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@contextmanager
def _starting() -> Iterator[None]:
    try:
        yield
    except (OSError, NoSource, AdapterMisconfigured, LoginFault, SettingsError) as fault:
        fail(f"cannot start: {fault}")
