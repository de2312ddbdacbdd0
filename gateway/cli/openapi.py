"""gateway openapi: the OpenAPI documents as files."""

import json
from pathlib import Path

import click

from gateway.cli.context import console, with_settings
from gateway.http.api import described
from gateway.settings import Settings
from profiles.standards.load import catalogue

BASE_URL = "http://127.0.0.1:8080"
"""The address in the exported document: that of the demo, so that its examples run."""
EXAMPLE = "ziekenhuiszandoord"
"""The provider in the exported document, likewise."""


def exported() -> str:
    """The document as it stands in openapi/."""
    document = described(catalogue(), EXAMPLE, BASE_URL)
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


@click.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default="openapi", show_default=True)
@with_settings
def openapi(_settings: Settings, folder: Path) -> None:
    """Write gateway.json, the description of every request of every standard."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gateway.json").write_text(exported(), "utf-8")
    console.print(f"{folder / 'gateway.json'} written", highlight=False)
