"""Writes docs/requirements.md: every requirement id, its sentence, and the code and the tests that name it.

python tools/requirements.py > docs/requirements.md

The sentences are docs/requirements.toml. Ids are found by their form in every text of the repository, wherever it
stands, so files may move freely; ranges (`ERR-40..43`, `CT-02 to 05`) count for each id in them.
"""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SENTENCES = ROOT / "docs" / "requirements.toml"
PAGE = ROOT / "docs" / "requirements.md"
TEXTS = {".py", ".md", ".toml", ".xsd", ".html", ".conf", ".template", ".mjs", ".ini", ".sql", ".sh", ""}
ABOUT_IDS = {
    "docs/requirements.md",
    "docs/requirements.toml",
    "tools/requirements.py",
    "tests/docs/test_requirements.py",
    "tests/conformance/test_auth_cases.py",
}
"""Texts about ids as such: to stand here is no citation."""
NOT_OURS = {"build", "dist", "var", "node_modules"}
LOOKS_LIKE_AN_ID = re.compile(r"(?<![\w-])([A-Z]{2,6})-\d{2,3}[a-z]?(?![\w-])")


@dataclass(frozen=True)
class Family:
    """One prefix: what its ids are about, and their sentences by id."""

    prefix: str
    title: str
    sentences: dict[str, str]
    only_listed: bool


@dataclass
class Places:
    """Where one id is named: code and documents by path, tests by path with the names of the test functions."""

    code: set[str] = field(default_factory=set)
    docs: set[str] = field(default_factory=set)
    helpers: set[str] = field(default_factory=set)
    tests: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


class Requirements:
    """The table of sentences, and the search for their ids in texts."""

    def __init__(self, table: Path = SENTENCES) -> None:
        rows = tomllib.loads(table.read_text("utf-8"))
        self.process: dict[str, str] = rows.pop("process")
        self.not_ids: set[str] = set(rows.pop("not_ids")["prefixes"])
        self.families = [
            Family(prefix, row.pop("title"), row, row.pop("only_listed", False)) for prefix, row in rows.items()
        ]
        self.sentences = {name: text for family in self.families for name, text in family.sentences.items()}
        # Looked for only where a word begins with a capital: most characters of most files are none.
        self._ids = re.compile(rf"(?<![\w-])(?=[A-Z])(?:{'|'.join(_form(family) for family in self.families)})")

    def named(self, text: str) -> Iterator[str]:
        """The ids in a text; the ends of a range always, what lies between when it has a sentence."""
        for match in self._ids.finditer(text):
            name = next(group for group in match.groupdict().values() if group)
            yield name
            if last := re.match(r"(?:\.\.| to )(?:[A-Z]+-)?(\d{2,3})\b", text[match.end() :]):
                prefix, number = name.split("-")
                yield from self._between(prefix, int(number.rstrip("ab")), last[1])

    def _between(self, prefix: str, first: int, last: str) -> Iterator[str]:
        for number in range(first + 1, int(last)):
            if (name := f"{prefix}-{number:02d}") in self.sentences:
                yield name
        yield f"{prefix}-{last}"

    def unknown_prefixes(self, text: str) -> set[str]:
        """What has the form of an id and a prefix that nobody has declared."""
        known = {family.prefix for family in self.families} | self.not_ids
        return {match[0] for match in LOOKS_LIKE_AN_ID.finditer(text) if match[1] not in known}


def _form(family: Family) -> str:
    """The pattern of a family's ids: two or three digits, a letter before them in cases, after them in parts."""
    if family.only_listed:
        ids = "|".join(sorted(family.sentences, key=len, reverse=True))
    elif family.prefix == "SC":
        ids = r"SC-[A-Z]\d"
    else:
        ids = rf"{family.prefix}-C?\d{{2,3}}[a-z]?"
    return rf"(?P<{family.prefix}>{ids})(?![\w-]|\.\d)"


def texts(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Path and text of every file in which people write; the requirements themselves left out."""
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") or part in NOT_OURS or part.endswith(".egg-info") for part in parts):
            continue
        if path.suffix in TEXTS and path.is_file() and "/".join(parts) not in ABOUT_IDS:
            yield "/".join(parts), path.read_text("utf-8", errors="ignore")


def gathered(requirements: Requirements, files: Iterable[tuple[str, str]]) -> dict[str, Places]:
    """Every id that is named, with its places."""
    places: dict[str, Places] = defaultdict(Places)
    for path, text in files:
        name = Path(path).name
        if not any(requirements.named(text)):
            continue
        if name.startswith("test_") and name.endswith(".py"):
            for test, part in _tests(text):
                for one in requirements.named(part):
                    places[one].tests[path].add(test)
        for one in requirements.named(text):
            if path.startswith("tests/"):
                if path not in places[one].tests:
                    places[one].helpers.add(path)
            elif path.endswith(".md"):
                places[one].docs.add(path)
            else:
                places[one].code.add(path)
    return dict(places)


def _tests(text: str) -> Iterator[tuple[str, str]]:
    """Name and text of every test function, decorators and comments included; the module's docstring has no name."""
    tree = ast.parse(text)
    lines = text.splitlines()
    yield "", ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield node.name, "\n".join([_said(node.name), *lines[first - 1 : node.end_lineno]])


def _said(name: str) -> str:
    """The ids in the name of a test as a text would write them: `test_ct_16_to_28_x` says `CT-16 to 28`."""
    form = r"_([a-z]{2,6})_(\d{2,3}[a-z]?)(?:_(to|and)_(\d{2,3}))?(?=_|$)"
    said = []
    for prefix, first, word, last in re.findall(form, name):
        said.append(f"{prefix.upper()}-{first}")
        said += {"to": [f"to {last}"], "and": [f"{prefix.upper()}-{last}"], "": []}[word]
    return " ".join(said)


HEAD = """# Requirements

Every requirement id that code, tests or documents name: what it asks, where it is built, which tests name it. The ids
are those of the MedMij agreement as we read it (AUTH, TOKEN, ERR ...), of its conformance cases (CT), and of the people
who use the gateway (SC). The sentences are ours, in `docs/requirements.toml`; they remind, and replace nothing.

This page is written by `tools/requirements.py` (`make requirements`); a test compares it with the code.
"""


def page(requirements: Requirements, places: dict[str, Places]) -> str:
    """The whole page."""
    cited = [name for name in requirements.sentences if name in places]
    tested = [name for name in cited if places[name].tests]
    untested = [name for name in cited if not places[name].tests and name not in requirements.process]
    nowhere = [name for name in requirements.sentences if name not in places and name not in requirements.process]
    parts = [HEAD, f"{len(cited)} ids are named, {len(tested)} of them by tests, {len(untested)} by no test.\n"]
    parts += ["## Not tested\n", "Named in code or documents, and by no test.\n"]
    parts += [_entry(name, requirements, places[name]) for name in untested] or ["None.\n"]
    parts += ["## Process\n", "What no test of software can show.\n"]
    parts += [f"- **{name}** {requirements.sentences[name]} ({who})" for name, who in requirements.process.items()]
    parts += ["\n## Named nowhere yet\n", "Known from the same sources; no code, test or document names them.\n"]
    parts += [f"- **{name}** {requirements.sentences[name]}" for name in nowhere]
    for family in requirements.families:
        shown = [name for name in family.sentences if name in places and name not in untested]
        if shown:
            parts.append(f"\n## {family.prefix}: {family.title}\n")
            parts += [_entry(name, requirements, places[name]) for name in shown]
    return "\n".join(parts).rstrip() + "\n"


def _entry(name: str, requirements: Requirements, found: Places) -> str:
    lines = [f"**{name}** {requirements.sentences[name]}\n"]
    if named := sorted(found.code | found.docs):
        lines.append("- in " + ", ".join(f"`{path}`" for path in named))
    for path, tests in sorted(found.tests.items()):
        names = ", ".join(sorted(test for test in tests if test)) or "the whole file"
        lines.append(f"- `{path}`: {names}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the page."""
    requirements = Requirements()
    sys.stdout.write(page(requirements, gathered(requirements, texts())))


if __name__ == "__main__":
    main()
