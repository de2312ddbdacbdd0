"""A small path language for what a page shows: enough to point at an element, and no more.

``code``; ``period.start``; ``onset[x]`` (the choice that is there); ``component(code=8480-6).value[x]`` (only those
that hold this code); ``extension(zib-Medication-PeriodOfUse).value[x]`` (by the end of the url); ``a|b`` (the first
that gives anything).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_STEP = re.compile(r"([A-Za-z]+)(\[x\])?(?:\((?:code=)?([^)]*)\))?")


def values(node: Any, path: str) -> list[Any]:
    """Everything that a path points at, in order; ValueError when the path itself cannot be read."""
    for steps in _compiled(path):
        nodes = [node]
        for name, is_choice, wanted in steps:
            nodes = [value for one in nodes for value in _children(one, name, is_choice)]
            if wanted:
                nodes = [one for one in nodes if _holds(one, wanted)]
        if nodes:
            return nodes
    return []


@lru_cache(maxsize=1024)
def _compiled(path: str) -> tuple[tuple[tuple[str, bool, str], ...], ...]:
    return tuple(tuple(map(_step, _split(one))) for one in path.split("|"))


def _split(path: str) -> list[str]:
    return re.split(r"\.(?![^(]*\))", path.strip())


def _step(text: str) -> tuple[str, bool, str]:
    found = _STEP.fullmatch(text)
    if found is None:
        raise ValueError(f"cannot read the step {text!r}")
    return found[1], bool(found[2]), found[3] or ""


def _children(node: Any, name: str, is_choice: bool) -> Iterator[Any]:
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == name if not is_choice else key.startswith(name) and key[len(name) :][:1].isupper():
            yield from value if isinstance(value, list) else [value]


def _holds(node: Any, wanted: str) -> bool:
    """Whether an element is the one meant: an extension by its url, anything else by a code in its code or type."""
    if not isinstance(node, dict):
        return False
    if "url" in node:
        return str(node["url"]).rsplit("/", 1)[-1] == wanted
    concepts = [node.get("code"), *(node["type"] if isinstance(node.get("type"), list) else [node.get("type")])]
    codings = [coding for one in concepts if isinstance(one, dict) for coding in one.get("coding", [])]
    return any(coding.get("code") == wanted for coding in codings)
