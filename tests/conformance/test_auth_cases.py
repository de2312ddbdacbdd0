"""The table of conformance cases against the tests that claim them: what is missing is visible (QUAL-02)."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = tomllib.loads((Path(__file__).parent / "auth_cases.toml").read_text())
CASES: dict[str, list[str]] = TABLE["cases"]
OPEN: dict[str, str] = TABLE["open"]


def _tests(file: str) -> dict[str, str]:
    """Name and docstring of every test function in a file."""
    tree = ast.parse((ROOT / file).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: ast.get_docstring(node) or "" for node in functions if node.name.startswith("test_")}


def _numbers(text: str) -> set[int]:
    """The case numbers in a docstring, ranges included: `CT-48`, `CT-02 to CT-05`, `CT-02 to 05`."""
    found: set[int] = set()
    for first, last in re.findall(r"CT-(\d+)(?: to (?:CT-)?(\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_every_case_has_a_place() -> None:
    """CT-01 to CT-105: proven by a test, or open with a reason."""
    expected = {f"CT-{number:02d}" for number in range(1, 106)}
    assert CASES.keys() | OPEN.keys() == expected
    assert CASES.keys() & OPEN.keys() == set()
    assert all(CASES.values())
    assert all(len(reason) > 20 for reason in OPEN.values())


@pytest.mark.parametrize("case", CASES)
def test_the_tests_exist_and_claim_the_case(case: str) -> None:
    """Every reference leads to a test whose docstring names the case."""
    for reference in CASES[case]:
        file, name = reference.split("::")
        assert int(case[3:]) in _numbers(_tests(file)[name]), reference


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_shown_over_connections(case: str) -> None:
    """With TLS and certificates of a real hierarchy, on both databases; what needs more, at running processes."""
    suites = ("test_conformance_sockets.py", "test_conformance_processes.py")
    assert [reference for reference in CASES[case] if Path(reference.split("::")[0]).name in suites]
