"""The floors as files: no two files import each other by any way, and few see the whole of the settings.

What may import what is in pyproject.toml (import-linter); these are the rules that it has no word for.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("workbench", "gateway", "auth", "adapters", "profiles")
ROOTS = {
    "gateway.app",
    "gateway.wiring",
    "gateway.wiring.endpoint",
    "gateway.wiring.exchange",
    "gateway.wiring.intake",
    "gateway.wiring.news",
    "gateway.wiring.sharing",
    "gateway.testmode",
    "gateway.settings",
}
"""Modules of the gateway that may see the whole `Settings`, beside the commands."""


def modules(package: str) -> Mapping[str, Path]:
    """Every module of a package, by name."""
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path, known: Mapping[str, Path], *, annotations: bool = False) -> Iterator[str]:
    """The modules of ours that a file imports, wherever in it; what only ``annotations`` name is counted when asked."""
    tree = ast.parse(path.read_text("utf-8"))
    guards = [] if annotations else [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    blocks = [node for node in guards if "TYPE_CHECKING" in ast.unparse(node.test)]
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


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_files_stand_in_a_circle(package: str) -> None:
    known = modules(package)
    assert circles({name: set(imported(path, known)) - {name} for name, path in known.items()}) == []


def test_the_files_of_profiles_do_not_know_each_other_in_a_circle_for_annotations_either() -> None:
    known = modules("profiles")
    graph = {name: set(imported(path, known, annotations=True)) - {name} for name, path in known.items()}
    assert circles(graph) == []


def test_the_search_for_circles_finds_them() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"f"}, "f": {"e"}}
    assert sorted(circles(graph)) == [["a", "b", "c"], ["e", "f"]]


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
