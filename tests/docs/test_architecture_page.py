"""The architecture page is true: its floors are the contracts', and each new thing has one folder that exists."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
CONTRACTS = {
    contract["containers"][0]: contract["layers"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    if "containers" in contract
}
PROMISED = ("message type", "adapter", "report", "rule of repair", "standard", "page")
"""What a newcomer looks for (issue 10)."""


def part(title: str) -> str:
    """The text under a heading."""
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(("title", "package"), [("Inside the gateway", "gateway"), ("Inside auth", "auth")])
def test_the_drawn_floors_are_those_of_the_contract(title: str, package: str) -> None:
    drawing = part(title).split("```")[1].strip().splitlines()
    assert [re.split(r"\s{2,}", line)[0] for line in drawing] == CONTRACTS[package]


def test_each_floor_is_explained() -> None:
    for title in ("Inside the gateway", "Inside auth"):
        lines = part(title).split("```")[1].strip().splitlines()
        assert [line for line in lines if len(re.split(r"\s{2,}", line)) != 2] == []


def rows() -> list[tuple[str, str]]:
    """What is new, and its folder as the page writes it."""
    lines = [line for line in part("Where does a new ... go").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(cell[0], cell[1]) for cell in cells if cell[0] != "a new"]


@pytest.mark.parametrize(("new", "folder"), rows(), ids=[new for new, _ in rows()])
def test_each_new_thing_has_one_folder_that_exists(new: str, folder: str) -> None:
    names = re.findall(r"`([^`]+)`", folder)
    assert len(names) == 1, f"a new {new} has one folder"
    assert names[0].endswith("/")
    assert (ROOT / names[0]).is_dir()


@pytest.mark.parametrize("promised", PROMISED)
def test_what_newcomers_look_for_is_there(promised: str) -> None:
    assert any(promised in new for new, _ in rows())
