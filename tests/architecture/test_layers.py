"""Who sees the settings: few the whole of them, and sections are leaves.

What may import what is in pyproject.toml (import-linter); these are the rules that it has no word for.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOTS = {"gateway.app", "gateway.wiring", "gateway.testmode", "gateway.settings"}
"""Modules of the gateway that may see the whole `Settings`, beside the commands."""


def modules(package: str) -> Mapping[str, Path]:
    """Every module of a package, by name."""
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules of ours that a file imports, wherever in it; what only annotations name is not counted."""
    tree = ast.parse(path.read_text("utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    named_only = {id(inner) for block in blocks for inner in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in named_only:
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in inner]
        yield from (name for name in names if name in known)


def test_only_roots_and_commands_see_the_whole_of_the_settings() -> None:
    """Every other part takes its own section, so that a reader sees what it depends on."""
    known = modules("gateway")
    seeing = {name for name, path in known.items() if "gateway.settings" in set(imported(path, known))}
    assert {name for name in seeing if not name.startswith("gateway.cli.")} <= ROOTS


def test_sections_are_leaves() -> None:
    """A module of settings may be read by everybody, so it imports no part of the gateway but other settings."""
    known = modules("gateway")
    leaves = {name for name in known if name.endswith(".settings") and name != "gateway.settings"} | {
        "gateway.sections"
    }
    assert len(leaves) >= 3
    for name in leaves:
        assert {one for one in imported(known[name], known) if one not in leaves} == set(), name
