"""gateway demo: the demo world, in the browser or in the terminal."""

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.context import console, database, fail, with_settings
from gateway.cli.db import upgrade
from gateway.cli.serve import listening, run
from gateway.settings import Settings
from workbench.cli.visit import visit
from workbench.demo.ehr.division import division
from workbench.demo.ehr.sources import with_live_sources
from workbench.demo.push import PUSHING, push
from workbench.demo.seed import seed
from workbench.plugin import workbench


@click.group()
def demo() -> None:
    """The demo world: serve it, or visit it from the terminal."""


@demo.command("serve")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.")
@with_settings
def serve_command(settings: Settings, host: str | None, port: int | None) -> None:
    """Serve the gateway with the demo world: fictitious institutions and persons, a test login and a demo PGO."""
    if settings.mode != "test":
        fail("the demo runs in test mode only")
    settings = listening(settings, host, port)
    if "database_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"database_url": workbench.store})
    today = datetime.now(UTC).date()
    with database(settings, create=True) as engine:
        upgrade(engine)
        world = seed(engine, settings, today, division(), PUSHING)
    asyncio.run(push(settings, world))
    base = settings.base_url
    console.print(
        f"\nThe gateway is starting. Open:\n\n"
        f"  {base}/            start page\n"
        f"  {base}/demo-pgo/   Demo PGO: a visit as a patient\n"
        f"  {base}/demo-ehr/   switches: make a source slow, fail or answer wrongly\n"
        f"  {base}/docs        API, to try out\n\n"
        f"Stop with Ctrl+C.\n",
        highlight=False,
    )
    with tempfile.TemporaryDirectory(prefix="gateway-demo-ehr-") as folder:
        run(with_live_sources(settings, Path(folder), today), demo=True)


demo.add_command(visit)
