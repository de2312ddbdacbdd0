"""From a structure table to the form that the compiler takes: a StructureDefinition with a differential.

A table of a structure holds::

    structure: http://nictiz.nl/fhir/StructureDefinition/zib-Problem      the canonical URL, always the first line
    version: 3.0.6                                                        the version that the facts were taken from
    title: HCIM Problem
    type: Condition                                                       the FHIR type
    base: Condition                                                       the parent: a type or another structure
    model: Problem-v4.1(2017EN)                                           the zib, with version and release
    zib: NL-CM:5.1.1 | Probleem | Problem                                 concept id | Dutch name | English name
    context: {resource: [Patient]}                                        extensions: where they may stand
    elements:
      Condition.clinicalStatus:                                           element id
        card: 1..
        types: code
        binding: required condition-clinical
        zib: NL-CM:5.1.4 | ProbleemStatus | ProblemStatus

Further keys of an element: fixed, pattern, slicing {by: [value url], rules: open, ordered: true}, least, most, length,
modifier, content, invariants {key: {severity, expression, human}}, dataset (the concept of the birth care data set).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.zibs.notation import BAR, PROFILED, STRENGTHS, TableError, cardinality, types

Resolve = Callable[[str], "str | None"]
"""The canonical URL for a name in a table (``zib-Problem``, ``Patient``, or a URL), or None."""

TOP: Final = frozenset({"structure", "version", "title", "type", "base", "model", "zib", "context", "elements"})
ELEMENT: Final = frozenset(
    {
        "card", "types", "fixed", "pattern", "slicing", "binding", "zib", "dataset", "invariants", "least", "most",
        "length", "modifier", "content",
    }
)  # fmt: skip
R4_CONTEXTS: Final = frozenset({"element", "fhirpath"})
"""Kinds of context that only R4 has."""
RULES: Final = frozenset({"open", "closed", "openAtEnd"})
DISCRIMINATORS: Final = frozenset({"value", "exists", "pattern", "type", "profile"})


def structure(table: Mapping[str, Any], file: str, profile: Resolve, value_set: Resolve) -> dict[str, Any]:
    """The StructureDefinition of a table; TableError says what is wrong and where."""
    return _Structure(file, profile, value_set).definition(table)


def zib(text: str) -> dict[str, Any]:
    """What an element definition says of its zib element, from the row's ``zib``; ValueError when that is malformed."""
    concept, *names = text.split(BAR)
    if not concept.startswith("NL-CM:") or len(names) != 2:
        raise ValueError(f"zib {text!r}: it is written as concept id | Dutch name | English name")
    mapping = [{"identity": "hcim", "map": concept, "comment": names[1]}]
    return {"alias": [names[0]], "short": names[1], "mapping": mapping}


class _Structure:
    def __init__(self, file: str, profile: Resolve, value_set: Resolve) -> None:
        self.file = file
        self.place = ""
        self._profile = profile
        self._value_set = value_set

    def fail(self, problem: str) -> TableError:
        return TableError(self.file, self.place, problem)

    def definition(self, table: Mapping[str, Any]) -> dict[str, Any]:
        self._known(table, TOP)
        for key in ("structure", "type", "base", "elements"):
            if key not in table:
                raise self.fail(f"the key {key!r} is missing")
        rows = table["elements"]
        if not isinstance(rows, dict):
            raise self.fail("elements is no mapping of element ids")
        url, kind = str(table["structure"]), str(table["type"])
        root = dict(rows.get(kind) or {})
        if "zib" in table:
            root["zib"] = table["zib"]
        elements = [self.element(kind, root, kind)] if root else []
        elements += [self.element(str(key), row, kind) for key, row in rows.items() if key != kind]
        made: dict[str, Any] = {
            "resourceType": "StructureDefinition",
            "id": url.rpartition("/")[2],
            "url": url,
            "version": str(table.get("version", "")),
            "name": url.rpartition("/")[2],
            "title": str(table.get("title", "")),
            "type": kind,
            "baseDefinition": self._named(str(table["base"]), self._profile),
            "derivation": "constraint",
            "differential": {"element": elements},
        }
        if "model" in table:
            made["mapping"] = [{"identity": "hcim", "name": f"HCIM {table['model']}"}]
        contexts = self._mapping(table.get("context", {}), "context")
        if contexts.keys() & R4_CONTEXTS or len(contexts) > 1:
            made["context"] = [
                {"type": kind, "expression": str(one)} for kind, rows in contexts.items() for one in rows
            ]
        elif contexts:
            ((made["contextType"], places),) = contexts.items()
            made["context"] = [str(place) for place in places]
        return made

    def element(self, ident: str, row: Any, kind: str) -> dict[str, Any]:
        """The element definition for one row."""
        self.place = ident
        row = self._mapping(row or {}, "the element")
        self._known(row, ELEMENT)
        if ident.partition(".")[0] != kind:
            raise self.fail(f"the element id does not begin with {kind}")
        steps = [step.partition(":") for step in ident.split(".")]
        if not all(name for name, _, _ in steps):
            raise self.fail("the element id has an empty step")
        found: dict[str, Any] = {"id": ident, "path": ".".join(name for name, _, _ in steps)}
        if steps[-1][2]:
            found["sliceName"] = steps[-1][2]
        for key, value in row.items():
            _WRITERS[key](self, found, value)
        return found

    def _known(self, row: Mapping[str, Any], known: frozenset[str]) -> None:
        strange = sorted(str(key) for key in row.keys() - known)
        if strange:
            raise self.fail(f"unknown key {strange[0]!r}; known are {', '.join(sorted(known))}")

    def _mapping(self, value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fail(f"{what} is no mapping")
        return value

    def _named(self, name: str, resolve: Resolve) -> str:
        url = resolve(name)
        if url is None:
            raise self.fail(f"{name!r} is neither a table, nor a FHIR type, nor a URL")
        return url

    def _card(self, element: dict[str, Any], value: Any) -> None:
        try:
            least, most = cardinality(str(value))
        except ValueError as problem:
            raise self.fail(str(problem)) from None
        if least is not None:
            element["min"] = least
        if most is not None:
            element["max"] = most

    def _types(self, element: dict[str, Any], value: Any) -> None:
        try:
            rows = types(str(value))
        except ValueError as problem:
            raise self.fail(str(problem)) from None
        element["type"] = []
        for code, names in rows:
            key = "targetProfile" if code == "Reference" else "profile"
            made: dict[str, Any] = {"code": code}
            for name in names:
                url = self._named(name.removeprefix(PROFILED), self._profile)
                made.setdefault("profile" if name.startswith(PROFILED) else key, []).append(url)
            element["type"].append(made)

    def _binding(self, element: dict[str, Any], value: Any) -> None:
        strength, _, name = str(value).partition(" ")
        if strength not in STRENGTHS:
            raise self.fail(f"binding {value!r}: the strength is one of {', '.join(STRENGTHS)}")
        element["binding"] = {"strength": strength}
        if name:
            element["binding"]["valueSetReference"] = {"reference": self._named(name, self._value_set)}

    def _slicing(self, element: dict[str, Any], value: Any) -> None:
        row = self._mapping(value, "slicing")
        self._known(row, frozenset({"by", "rules", "ordered"}))
        if row.get("rules", "open") not in RULES:
            raise self.fail(f"slicing rules {row['rules']!r}: one of {', '.join(sorted(RULES))}")
        discriminators = []
        for text in row.get("by", []):
            kind, _, path = str(text).partition(" ")
            if kind not in DISCRIMINATORS or not path:
                raise self.fail(f"discriminator {text!r}: a kind ({', '.join(sorted(DISCRIMINATORS))}) and a path")
            discriminators.append({"type": kind, "path": path})
        slicing: dict[str, Any] = {"rules": row.get("rules", "open")}
        if discriminators:
            slicing["discriminator"] = discriminators
        if row.get("ordered"):
            slicing["ordered"] = True
        element["slicing"] = slicing

    def _zib(self, element: dict[str, Any], value: Any) -> None:
        try:
            said = zib(str(value))
        except ValueError as problem:
            raise self.fail(str(problem)) from None
        said["mapping"] += element.get("mapping", [])
        element.update(said)

    def _dataset(self, found: dict[str, Any], value: Any) -> None:
        concept, _, name = str(value).partition(BAR)
        row = {"identity": "dataset", "map": concept, "comment": name}
        found.setdefault("mapping", []).append(row)

    def _invariants(self, element: dict[str, Any], value: Any) -> None:
        element["constraint"] = []
        for key, stated in self._mapping(value, "invariants").items():
            row = self._mapping(stated, f"invariant {key}")
            self._known(row, frozenset({"severity", "expression", "human"}))
            if not isinstance(row.get("expression"), str) or row.get("severity") not in ("error", "warning"):
                raise self.fail(f"invariant {key}: severity (error or warning) and expression are needed")
            element["constraint"].append({"key": str(key), "human": "", **row})


def _plain(name: str) -> Callable[[_Structure, dict[str, Any], Any], None]:
    def write(_: _Structure, found: dict[str, Any], value: Any) -> None:
        found[name] = value

    return write


_WRITERS: Final[dict[str, Callable[[_Structure, dict[str, Any], Any], None]]] = {
    "card": _Structure._card,
    "types": _Structure._types,
    "binding": _Structure._binding,
    "slicing": _Structure._slicing,
    "zib": _Structure._zib,
    "dataset": _Structure._dataset,
    "invariants": _Structure._invariants,
    "fixed": _plain("fixedValue"),
    "pattern": _plain("patternValue"),
    "least": _plain("minValueBound"),
    "most": _plain("maxValueBound"),
    "length": _plain("maxLength"),
    "modifier": _plain("isModifier"),
    "content": _plain("contentReference"),
}
