"""The documentation stays true: links lead somewhere, named files exist, settings and commands are all there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(#[\w-]+)?\)")
FILE = re.compile(r"`((?:gateway|profiles|adapters|auth|tests|benchmarks|tools|deploy|docs|openapi)/[\w./*-]+)`")

MADE_UP = {"profiles/standards/data/mondzorg-1"}
"""What a page tells its reader to make."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    wrong = [
        target
        for target, _ in LINK.findall(text)
        if not target.startswith(("http://", "https://", "mailto:")) and not (page.parent / target).exists()
    ]
    for name in FILE.findall(text):
        if "*" in name:
            if not list(ROOT.glob(name)):
                wrong.append(name)
        elif not (ROOT / name).exists() and name not in MADE_UP:
            wrong.append(name)
    assert not wrong


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8") + (ROOT / "docs" / "qualify.md").read_text("utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert not {name for name in pages if f"({name}" not in index}


def test_the_configuration_page_is_what_the_settings_say() -> None:
    made = subprocess.run(
        [sys.executable, "tools/configuration.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == made


def test_every_setting_says_what_it_is_for() -> None:
    lines = (ROOT / "docs" / "configuration.md").read_text("utf-8").splitlines()
    assert not [line for line in lines if line.startswith("| `") and line.rstrip().endswith("|  |")]


def test_every_command_is_in_the_documentation() -> None:
    from gateway.cli.main import COMMANDS

    written = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert not [name for name in COMMANDS if f"gateway {name}" not in written]
