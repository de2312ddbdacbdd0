"""A public class name stands in one file: who reads it elsewhere need not ask which one is meant."""

import ast
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("profiles", "adapters", "auth", "gateway", "workbench")


def homes() -> Mapping[str, list[str]]:
    """The files in which each public class is defined, by its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(ROOT)))
    return found


def test_no_public_class_name_stands_in_two_files() -> None:
    assert {name: files for name, files in homes().items() if len(files) > 1} == {}


def test_the_search_for_names_reads_every_package() -> None:
    known = homes()
    assert {"FhirEndpoint", "Grant", "Report", "AdapterQuery", "PgoClient"} <= known.keys()
