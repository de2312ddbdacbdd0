"""The table of requirements stays whole: every id that is named has a sentence, and the page is what the code says."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
CEILING_OF_UNTESTED = 0
"""How many ids may be named by no test. It goes down; who must raise it says why in the commit."""


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    """tools/requirements.py as a module."""
    spec = importlib.util.spec_from_file_location("requirements_tool", ROOT / "tools" / "requirements.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["requirements_tool"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["requirements_tool"]


@pytest.fixture(scope="module")
def found(tool: ModuleType) -> tuple:
    """The table, every text of the repository, and where each id is named."""
    requirements = tool.Requirements()
    files = list(tool.texts())
    return requirements, files, tool.gathered(requirements, files)


def test_every_id_that_is_named_has_a_sentence(found: tuple) -> None:
    requirements, _, places = found
    lacking = {name: _anywhere(found) for name, found in places.items() if name not in requirements.sentences}
    assert not lacking, f"write their sentences in docs/requirements.toml: {lacking}"


def _anywhere(places: object) -> list[str]:
    return sorted({*places.code, *places.docs, *places.helpers, *places.tests})


def test_nothing_looks_like_an_id_and_is_none(found: tuple) -> None:
    """A slip of the pen (TOK-07 for TOKEN-07) is no citation: each prefix is declared, as a family or as no id."""
    requirements, files, _ = found
    slips = {
        path: names
        for path, text in files
        if path.endswith((".py", ".md")) and not path.endswith("test_requirements.py")
        if (names := requirements.unknown_prefixes(text))
    }
    assert not slips


def test_the_page_is_up_to_date(tool: ModuleType, found: tuple) -> None:
    requirements, _, places = found
    assert tool.PAGE.read_text("utf-8") == tool.page(requirements, places), "run: make requirements"


def test_what_no_test_names_becomes_less(found: tuple) -> None:
    """QUAL-02: every id has a test or is marked as process."""
    requirements, _, places = found
    untested = [
        name
        for name in requirements.sentences
        if name in places and not places[name].tests and name not in requirements.process
    ]
    assert len(untested) <= CEILING_OF_UNTESTED, untested


def test_every_sentence_is_one_and_no_two_are_the_same(found: tuple) -> None:
    requirements, _, _ = found
    sentences = list(requirements.sentences.values())
    assert all(text.endswith(".") and 20 < len(text) < 160 for text in sentences)
    twice = {text for text in sentences if sentences.count(text) > 1}
    assert len(twice) <= 1, twice


def test_what_is_marked_as_process_is_known(found: tuple) -> None:
    requirements, _, _ = found
    assert requirements.process.keys() <= requirements.sentences.keys()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("see AUTH-03.", ["AUTH-03"]),
        ("(ERR-40..43)", ["ERR-40", "ERR-41", "ERR-42", "ERR-43"]),
        ("CT-02 to 05", ["CT-02", "CT-03", "CT-04", "CT-05"]),
        ("CT-104 to CT-105", ["CT-104", "CT-105"]),
        ("ERR-29..41", ["ERR-29", "ERR-30", "ERR-31", "ERR-40", "ERR-41"]),
        ("SC-P2, R8", ["SC-P2", "R8"]),
        ("ERR-31b", ["ERR-31b"]),
        ("FHIR R4, field ERR-3, ZC-990-2211, GZ-1.0, XAUTH-03, AUTH-03.1", []),
    ],
)
def test_ids_are_read_from_a_text(tool: ModuleType, text: str, names: list[str]) -> None:
    assert list(dict.fromkeys(tool.Requirements().named(text))) == names or set(tool.Requirements().named(text)) == set(
        names
    )


def test_a_test_counts_by_its_docstring_its_lines_and_its_decorators(tool: ModuleType) -> None:
    """Code that names an id is no test of it; a helper beside the tests is none either."""
    test = '''"""RES-01."""
import pytest
NOTHING = "TLS-01"
@pytest.mark.parametrize("id", ["ERR-01"])
def test_one(id):
    """AUTH-03"""
    # HDR-03
    assert id
def helper():
    """TLS-07"""
'''
    files = [
        ("tests/unit/test_a.py", test),
        ("tests/world/house.py", "# TLS-08"),
        ("auth/x.py", "# AUTH-03"),
        ("docs/x.md", "IDN-06"),
    ]
    places = tool.gathered(tool.Requirements(), files)
    tested = {name: {path: sorted(tests) for path, tests in found.tests.items()} for name, found in places.items()}
    path = "tests/unit/test_a.py"
    assert tested == {
        "RES-01": {path: [""]},
        "ERR-01": {path: ["test_one"]},
        "AUTH-03": {path: ["test_one"]},
        "HDR-03": {path: ["test_one"]},
        "TLS-01": {},
        "TLS-07": {},
        "TLS-08": {},
        "IDN-06": {},
    }
    assert places["AUTH-03"].code == {"auth/x.py"}
    assert places["TLS-08"].helpers == {"tests/world/house.py"}
    assert places["IDN-06"].docs == {"docs/x.md"}
