"""gateway openapi: the OpenAPI documents as files."""

import json
from pathlib import Path

import click

from gateway.cli.context import console, with_settings
from gateway.http.api import described
from gateway.intake import admin
from gateway.settings import Settings
from profiles.standards.load import catalogue

BASE_URL = "http://127.0.0.1:8080"
"""The address in the exported document: that of the demo, so that its examples run."""
EXAMPLE = "ziekenhuiszandoord"
"""The provider in the exported document, likewise."""


def exported() -> dict[str, str]:
    """The documents as they stand in openapi/, by file name: the public one, and that of the internal listener."""
    made = {"gateway.json": described(catalogue(), EXAMPLE, BASE_URL), "admin.json": admin.described()}
    return {name: json.dumps(document, indent=1, ensure_ascii=False) + "\n" for name, document in made.items()}


@click.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default="openapi", show_default=True)
@with_settings
def openapi(_settings: Settings, folder: Path) -> None:
    """Write gateway.json (every request of every standard) and admin.json (the operators' paths of the listener)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in exported().items():
        (folder / name).write_text(text, "utf-8")
        console.print(f"{folder / name} written", highlight=False)
