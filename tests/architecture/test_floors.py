"""The house: who may import whom, how large a module is, what a commit never holds, and documents that do not drift."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "auth", "adapters", "profiles", "workbench")


def sources() -> list[Path]:
    return [path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if "migrations" not in path.parts]


def test_the_floors_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("package", ["profiles", "auth"])
def test_http_and_databases_stay_out_of_the_lower_floors(package: str) -> None:
    forbidden = {
        "profiles": r"^\s*(from|import) (fastapi|starlette|httpx|sqlalchemy|uvicorn|authlib)\b",
        "auth": r"^\s*(from|import) (profiles|adapters|gateway|fastapi)\b",
    }[package]
    found = [path for path in (ROOT / package).rglob("*.py") if re.search(forbidden, path.read_text(), re.MULTILINE)]
    assert not found


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank lines, comments or docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            continue
        if isinstance(node, ast.stmt | ast.expr | ast.arg | ast.keyword):
            lines |= {node.lineno, node.end_lineno or node.lineno}
    docstrings = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    return len(lines - {line for found in docstrings for line in found})


LARGE = {"auth/store/store.py": 480, "profiles/validation/schema/merge.py": 400}
"""Modules that are one idea and still large, with the most that they may have."""


def test_modules_fit_a_head() -> None:
    counted = {str(path.relative_to(ROOT)): code_lines(path) for path in sources()}
    assert not {name: lines for name, lines in counted.items() if lines > LARGE.get(name, 320)}


def test_every_module_says_what_it_is() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sources()}
    assert not [name for name, text in texts.items() if text.strip() and not ast.get_docstring(ast.parse(text))]


def test_nothing_of_a_machine_or_a_registry_is_committed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    wrong = re.compile(
        "|".join(
            ("/ro" + "ot/", "/wo" + "rk/", r"pypi" + r"\.org", r"registry\.npm" + "js", r"files\.pythonho" + "sted")
        )
    )
    found = []
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in {".pdf", ".png", ".icc"} or not path.is_file():
            continue
        if wrong.search(path.read_text("utf-8", errors="replace")):
            found.append(name)
    assert not found


def test_the_exported_openapi_documents_are_those_that_are_served() -> None:
    from gateway.cli.openapi import exported

    assert {path.name: path.read_text("utf-8") for path in (ROOT / "openapi").iterdir()} == exported()
