"""What is imported is declared, what is declared is used, and each has its reason in docs/dependencies.md."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"gateway", "auth", "adapters", "profiles", "workbench"}
BY_NAME = {
    "uvloop": "the event loop that uvicorn takes when it is there",
    "httptools": "the HTTP parser that uvicorn takes when it is there",
    "tzdata": "the time zones that zoneinfo reads",
    "python-multipart": "what Starlette reads forms with",
    "fastapi-swagger": "files, read as resources",
    "fhir-resources": "modules that are loaded by the name of a resource type",
    "fsspec": "loaded when an object store is configured",
    "opentelemetry-exporter-otlp-proto-http": "the exporter, in the package of the SDK",
    "setuptools": "for builds",
    "medmij-gateway": "our own other distribution",
    "medmij-gateway-workbench": "our own other distribution",
}
"""Declared and imported by no statement of ours, with who uses it."""
COMES_WITH = {
    # Many distributions share the one package name.
    **dict.fromkeys(
        (
            "opentelemetry-api",
            "opentelemetry-exporter-http-transport",
            "opentelemetry-exporter-otlp-common",
            "opentelemetry-exporter-otlp-proto-common",
            "opentelemetry-exporter-otlp-proto-http",
            "opentelemetry-proto",
            "opentelemetry-semantic-conventions",
        ),
        "opentelemetry-sdk",
    ),
}
"""Imported, and installed as an extra of a package that is declared."""


@dataclass(frozen=True)
class Distribution:
    """One of ours: its project file, its packages, and the extras that belong to what it ships."""

    project: str
    packages: tuple[str, ...]
    extras: tuple[str, ...] = ()


DISTRIBUTIONS = [
    Distribution(
        "pyproject.toml",
        ("gateway", "auth", "adapters", "profiles"),
        ("object-store", "otel", "saml", "testing", "workbench"),
    ),
    Distribution("workbench/pyproject.toml", ("workbench",)),
]


def normal(name: str) -> str:
    """A distribution's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imports(packages: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Every top-level name that the packages import, and where."""
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    yield from ((alias.name.partition(".")[0], path) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield node.module.partition(".")[0], path


def declared(one: Distribution) -> set[str]:
    """The distributions that a project file names."""
    project = tomllib.loads((ROOT / one.project).read_text("utf-8"))["project"]
    lines = [*project["dependencies"]]
    for extra in one.extras:
        lines += project["optional-dependencies"][extra]
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in lines}  # type: ignore[index]


def used(one: Distribution) -> dict[str, Path]:
    """The distributions that the packages import, each with a place."""
    owners = packages_distributions()
    found = {}
    for name, path in imports(one.packages):
        if name not in sys.stdlib_module_names and name not in OURS:
            owner = normal(owners[name][0])
            found[COMES_WITH.get(owner, owner)] = path
    return found


@pytest.mark.parametrize("one", DISTRIBUTIONS, ids=lambda one: one.project)
def test_what_is_imported_is_declared(one: Distribution) -> None:
    """Nothing is there only because another package happens to bring it."""
    known = declared(one)
    assert {name: str(path) for name, path in used(one).items() if name not in known} == {}


@pytest.mark.parametrize("one", DISTRIBUTIONS, ids=lambda one: one.project)
def test_what_is_declared_is_used(one: Distribution) -> None:
    assert declared(one) - used(one).keys() - BY_NAME.keys() == set()


def test_each_dependency_has_its_reason() -> None:
    page = normal((ROOT / "docs" / "dependencies.md").read_text("utf-8"))
    ours = {"medmij-gateway", "medmij-gateway-workbench"}
    assert {name for one in DISTRIBUTIONS for name in declared(one) - ours if name not in page} == set()


def test_the_workbench_ships_every_folder_that_it_has() -> None:
    """Its packages are named one by one, so a new folder is easily left out of the wheel."""
    project = tomllib.loads((ROOT / "workbench" / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "workbench").rglob("__init__.py")}
    assert set(project["packages"]) == folders
