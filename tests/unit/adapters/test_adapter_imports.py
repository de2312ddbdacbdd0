"""Who imports whom inside adapters: no adapter knows another, and only single adapters know a network or database."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3] / "adapters"
ADAPTERS = ("dicomweb", "documents", "fhir_http", "files", "sql")
FILES = sorted(ROOT.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports(path: Path) -> None:
    part, file = path.relative_to(ROOT).parts[0], str(path.relative_to(ROOT))
    names = set(imported(path))
    tops = {name.split(".")[0] for name in names}
    assert not tops & {"auth", "gateway", "fastapi", "starlette"}
    assert "httpx" not in tops or part in ("dicomweb", "fhir_http") or file == "filing/fhir.py"
    assert "sqlalchemy" not in tops or part == "sql" or file == "filing/sql.py"
    for other in ADAPTERS:
        if other != part:
            assert not [name for name in names if name == f"adapters.{other}" or name.startswith(f"adapters.{other}.")]


def test_no_adapter_branches_on_a_fhir_version() -> None:
    """Version differences are tables; an adapter only asks whether a query is in its own version."""
    branching = [
        path.name
        for path in FILES
        if "testing" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare) and "FhirVersion." in ast.unparse(node)
    ]
    assert [name for name in branching if name != "statement.py"] == []
