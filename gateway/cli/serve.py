"""gateway serve: run the service."""

import asyncio
import gc
import logging
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import click

from adapters.port import AdapterMisconfigured
from auth.clients.open import NoSource
from auth.peer.listeners import channels, server
from gateway import tracing
from gateway.app import create_app, create_staff_app
from gateway.cli.context import bench, database, fail, needs_store, with_settings
from gateway.cli.db import upgrade
from gateway.cli.workers import Crew, Post
from gateway.health import store_probe
from gateway.intake import listener
from gateway.intake.login import LoginFault
from gateway.logs import configure
from gateway.settings import Settings, SettingsError, refusals
from gateway.store.engine import store_file
from gateway.testmode import NO_PROVIDERS
from gateway.version import SOFTWARE
from gateway.watch import watching
from gateway.wiring.intake import wire_intake

log = logging.getLogger(__name__)

LINGER_SECONDS = 1.0
"""How long a worker that is replaced still answers on connections that are idle."""


@click.command()
@click.option("--host", help="Address to listen on; overrides the settings.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; overrides the settings.")
@click.option(
    "--part",
    type=click.Choice(["all", "public", "intake", "staff"]),
    default="all",
    show_default=True,
    help="public: without the listeners for pushed data; intake: only those; staff: only the staff pages.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that answer.")
@click.option("--post", hidden=True, help="What the parent gives its worker.")
@with_settings
def serve(settings: Settings, host: str | None, port: int | None, part: str, workers: int, post: str | None) -> None:
    """Serve the FHIR endpoints, the authorization server, health and the OpenAPI UI, and take in pushed data.

    With --workers one parent keeps so many processes on the same ports (PostgreSQL only). SIGHUP replaces them one by
    one, with configuration, keys, lists and catalogue read afresh.
    """
    if part == "staff":
        run_staff(settings)
        return
    settings = listening(settings, host, port)
    own = Post.of(post) if post else None
    if own is not None:
        # The parent has the listener for metrics, with the figures of all.
        settings = settings.model_copy(update={"metrics": settings.metrics.model_copy(update={"port": 0})})
    if workers > 1:
        run_workers(settings, workers, part)
        return
    if part == "intake":
        run_intake(settings, own)
        return
    if part == "public":
        settings = settings.model_copy(update={"intake": settings.intake.model_copy(update={"sources": {}})})
    run(settings, post=own)


def listening(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings with the address of the command line."""
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return settings.model_copy(update={"listen": settings.listen.model_copy(update=chosen)})


def run_workers(settings: Settings, count: int, part: str) -> None:
    """Be the parent of this many workers, and of one for pushed data where there are sources."""
    if store_file(settings.database_url) is not None:
        fail("--workers: an SQLite file serves one process; use PostgreSQL")
    prepare(settings, logging.INFO)
    parts = {str(number): "public" for number in range(1, count + 1)} if part != "intake" else {}
    if part != "public" and settings.intake.sources:
        parts["intake"] = "intake"

    async def keep() -> bool:
        with database(settings) as engine:
            crew = Crew(sys.argv[1:], parts, sockets)
            with watching(settings.metrics, store_probe(engine), figures=crew.figures):
                return await crew.run()

    with _starting():
        sockets = channels(settings.tls, settings.listen.host, settings.listen.port)
        if not asyncio.run(keep()):
            fail("cannot start: see above")


def run(settings: Settings, *, demo: bool = False, post: Post | None = None) -> None:
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
        if post is None:
            listener.run(made, wire_intake(settings) if settings.intake.sources else None)
            return
        made.linger, made.on_started = LINGER_SECONDS, post.ready
        with post.manned():
            made.run(post.listening())


def run_staff(settings: Settings) -> None:
    """Serve the staff pages alone, on the port of their own; nothing else is on it but /health/live."""
    section = settings.staff
    if not section.enabled or section.port is None:
        fail("staff: needs enabled and a port of its own")
    prepare(settings, logging.INFO)
    with _starting():
        made = server(
            create_staff_app(settings),
            section.tls,
            settings.connections,
            host=section.host,
            port=section.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        _settle()
        made.run()


def run_intake(settings: Settings, post: Post | None = None) -> None:
    """The same for the listeners of pushed data alone."""
    if not settings.intake.sources:
        fail("intake.sources: none configured")
    prepare(settings, logging.INFO)
    with _starting():
        made = wire_intake(settings)
        manned = post.manned() if post else nullcontext()
        with watching(settings.metrics, store_probe(made.engine)), manned:
            _settle()
            listener.run_alone(made, post.ready if post else lambda: None)


def prepare(settings: Settings, level: int) -> None:
    """Refuse what production may not do, set up logging, and migrate in test mode."""
    if found := refusals(settings):
        fail("\n".join(f"refused: {line}" for line in found))
    configure(level)
    if settings.tracing.endpoint:
        try:
            tracing.start(settings.tracing.endpoint, settings.tracing.ratio, SOFTWARE)
        except tracing.TracingUnavailable as fault:
            fail(f"cannot start: tracing.endpoint: {fault}")
    if settings.mode == "test":
        file = store_file(settings.database_url)
        if file is not None and not file.is_file():
            log.info("there is no store at %s yet: an empty one is made", file)
        with database(settings, create=True) as engine:
            upgrade(engine)
    else:
        needs_store(settings)


def _settle() -> None:
    """Make the process fit for serving.

    What start made (standards, tables) stays: the garbage collector need not walk it for every few requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # A thread that validates or reads something large gives way sooner than after the usual 5 ms.
    sys.setswitchinterval(0.0005)
    # Each connection is a descriptor; the usual 1,024 are fewer than `connections.most`.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def _starting() -> Iterator[None]:
    try:
        yield
    except (OSError, NoSource, AdapterMisconfigured, LoginFault, SettingsError) as fault:
        fail(f"cannot start: {fault}")
