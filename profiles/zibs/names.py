"""The Dutch and English names of zib concepts, read from the mappings, aliases and titles of all profiles together."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from profiles.zibs.notation import BAR

CONCEPT: Final = re.compile(r"NL-CM:\s?(\d+(?:\.\d+)+)")
WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9ëïüé_+/'-]{0,59}")
MODEL: Final = re.compile(r"(?:.*\bHCIM\b|zib )")
"""How the name of a mapping to a zib begins, before and since release 2020."""
RELEASE: Final = re.compile(r"-(\d{4})EN$")


class ZibNames:
    """The Dutch and English names of zib concepts, as the elements of all profiles tell them together."""

    def __init__(self, corrections: Mapping[str, str]) -> None:
        self._dutch: dict[str, Counter[str]] = {}
        self._english: dict[str, Counter[str]] = {}
        self._corrections = corrections

    def learn(self, data: Mapping[str, Any]) -> None:
        """Note the names that the elements of a structure give to their concepts."""
        own, _ = model(data)
        for element in data["differential"]["element"]:
            concept = concept_of(element, own)
            if concept is None:
                continue
            if dutch := _dutch(element):
                self._dutch.setdefault(concept, Counter())[dutch] += 1
            if english := _english(element, concept):
                self._english.setdefault(concept, Counter())[english] += 1

    def text(self, concept: str) -> str:
        """``NL-CM:5.1.4 | ProbleemStatus | ProblemStatus``, by majority; LookupError when no element names it."""
        if concept in self._corrections:
            return concept + BAR + self._corrections[concept]
        english, dutch = _most(self._english.get(concept)), _most(self._dutch.get(concept))
        if not (english or dutch):
            raise LookupError(f"{concept}: no profile tells its name; write it under 'names' in release.yaml")
        return BAR.join((concept, dutch or english, english or dutch))


def _most(counter: Counter[str] | None) -> str:
    return min(counter, key=lambda name: (-counter[name], name)) if counter else ""


def _rows(element: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The concept rows of an element: identity, concept, name."""
    rows = []
    for row in element.get("mapping") or ():
        match = CONCEPT.search(str(row.get("map", "")))
        if match:
            identity = str(row.get("identity", ""))
            rows.append((identity, f"NL-CM:{match[1]}", str(row.get("comment", ""))))
    return rows


def _rank(identity: str) -> tuple[bool, bool, int]:
    return identity.startswith(("hcim", "zib-")), "basicelements" not in identity, _year(identity)


def _year(identity: str) -> int:
    match = RELEASE.search(identity)
    year = int(match[1]) if match else 0
    return year if year <= 2017 else 0


def concept_of(element: Mapping[str, Any], own: str = "") -> str | None:
    """The zib concept of an element: of the 2017 release and of the profile's own zib where several are told."""
    rows = _rows(element)
    return max(rows, key=lambda row: (row[0] == own, *_rank(row[0])))[1] if rows else None


def _english(element: Mapping[str, Any], concept: str) -> str:
    rows = sorted(_rows(element), key=lambda row: _rank(row[0]), reverse=True)
    comments = [comment for _, other, comment in rows if other == concept]
    for text in comments:
        word = text.strip().partition(". ")[0].split(" (")[0].strip().rstrip(".")
        if WORD.fullmatch(word):
            return word
    short = str(element.get("short", "")).split(" / ")[0].strip()
    return short if WORD.fullmatch(short) else ""


def _dutch(element: Mapping[str, Any]) -> str:
    names = [str(name).strip() for name in element.get("alias") or ()]
    return next((name for name in reversed(names) if WORD.fullmatch(name)), "")


def model(data: Mapping[str, Any]) -> tuple[str, str]:
    """The zib that a profile is made for: of its own name, and of the 2017 release where there is a choice."""
    stem = str(data["url"]).rpartition("/")[2].removeprefix("zib-").removeprefix("nl-core-").partition("-")[0].lower()
    rows = [row for row in data.get("mapping", ()) if MODEL.match(str(row.get("name")))]
    rows.sort(key=lambda row: ("2017" not in row["name"], f"hcim-{stem}-" not in row["identity"].lower()))
    rows.sort(key=lambda row: "BasicElements" in row["name"])
    return (str(rows[0]["identity"]), MODEL.sub("", str(rows[0]["name"])).strip()) if rows else ("", "")
