"""gateway tokens: access tokens without a flow, for test sets (test mode only)."""

from pathlib import Path

import click

from gateway.cli.context import as_served, console, database, fail, with_settings
from gateway.settings import Settings
from workbench.statictokens import TokenFileError, issue, read_tokens


@click.group()
def tokens() -> None:
    """Access tokens for test sets (test mode only)."""


@tokens.command("load")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@with_settings
def load_command(settings: Settings, file: Path) -> None:
    """Load a list of {"token", "provider", "services", "bsn" or "patient"}."""
    if settings.mode != "test":
        fail("static tokens are for test mode only")
    try:
        read = read_tokens(file.read_bytes(), as_served(settings).providers.keys())
    except TokenFileError as fault:
        fail(f"{file}: {fault}")
    with database(settings) as engine:
        issue(engine, settings, read)
    console.print(f"{len(read)} tokens loaded", highlight=False)
