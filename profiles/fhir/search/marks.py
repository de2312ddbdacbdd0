"""Marks: a few bytes per code that stand before a resource's search keys, by which a database can pass it over.

Most searches ask for a code, category, class, type or status, and most of a person's resources have another one. A mark is a
hash of the parameter and the code, without its system: a row in which none of the asked marks occurs cannot match, and
need not be fetched, opened or matched. One in which a mark occurs may match; what decides is the search itself.
"""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from profiles.fhir.search.matching import split, unescape
from profiles.fhir.search.searchparams import parameter
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

MARKED = ("category", "class", "code", "status", "type")
"""Parameters that have marks, of every type on which they are tokens: what the rows of standards ask."""

SIZE = 3
"""Bytes of a mark. One in some hundred thousand rows is fetched for nothing."""

MOST = 8
"""Alternatives that a database looks for; a search with more of them looks at all of the type."""

_LONG = 255


def head(version: FhirVersion, resource: Resource) -> bytes:
    """What stands before the keys of a resource: how many marks, and the marks."""
    found = sorted({mark(name, code) for name, code in _codes(version, resource)})
    count = len(found)
    size = bytes((count,)) if count < _LONG else bytes((_LONG,)) + count.to_bytes(4, "big")
    return size + b"".join(found)


def length(kept: bytes, start: int) -> int:
    """How many bytes the head takes that begins at ``start``."""
    if kept[start] < _LONG:
        return 1 + SIZE * kept[start]
    return 5 + SIZE * int.from_bytes(kept[start + 1 : start + 5], "big")


def asked(version: FhirVersion, type_: str, name: str, value: str) -> tuple[bytes, ...]:
    """The marks of which every resource has one that matches this parameter; none when that cannot be said so.

    For a parameter that can be compiled; it may have a modifier or be a chain, which nothing can be said of.
    """
    param = parameter(version, type_, name) if name in MARKED else None
    if param is None or param.kind != "token":
        return ()
    codes = [unescape(split(one.strip(), "|")[-1]) for one in split(value, ",")]
    # Without a code (``system|``) every code of a system is asked.
    return tuple(mark(name, code) for code in codes) if all(codes) and len(codes) <= MOST else ()


@lru_cache(maxsize=8192)
def mark(parameter_name: str, code: str) -> bytes:
    """The mark of a code."""
    return blake2b(f"{parameter_name}|{code}".encode("utf-8", "surrogatepass"), digest_size=SIZE).digest()


def _codes(version: FhirVersion, resource: Resource) -> Iterator[tuple[str, str]]:
    type_ = str(resource.get("resourceType"))
    for name in MARKED:
        param = parameter(version, type_, name)
        if param is not None and param.kind == "token":
            for node in param.extract(resource):
                yield from ((name, code) for code in _of(node))


def _of(node: Any) -> Iterator[str]:
    """Every text that a token test compares with a code (profiles.fhir.search.matching.token_test)."""
    if isinstance(node, dict):
        codings = node.get("coding")
        if isinstance(codings, list):
            found = [one.get("code") for one in codings if isinstance(one, dict)]
        else:
            found = [node["value"] if "value" in node else node.get("code")]
    else:
        found = [("true" if node else "false") if isinstance(node, bool) else node]
    yield from (code for code in found if isinstance(code, str))
