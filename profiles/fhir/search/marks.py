"""Marks: one number beside a resource's search keys, by which a database can pass it over without opening it.

Most searches ask for a code, category, class, type or status, and most of a person's resources have another one. Each
code of a resource sets one of 47 bits, by a hash of the parameter and the code without its system. A row that has none
of the asked bits cannot match; one that has may match, and what decides is the search itself. The bits above those tell
which tables the marks were made by: marks of others say nothing.
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

BITS = 47


def marks_of(version: FhirVersion, resource: Resource) -> int:
    """The marks of a resource, or of its search keys."""
    made = 0
    for name, code in _codes(version, resource):
        made |= _bit(name, code)
    return made


def asked(version: FhirVersion, type_: str, name: str, value: str) -> int:
    """Marks of which every resource has one that matches this parameter; 0 when nothing can be said.

    For a parameter that can be compiled. With a modifier, as a chain or without a code (``system|``) it says nothing.
    """
    param = parameter(version, type_, name) if name in MARKED else None
    if param is None or param.kind != "token":
        return 0
    made = 0
    for one in split(value, ","):
        code = unescape(split(one.strip(), "|")[-1])
        if not code:
            return 0
        made |= _bit(name, code)
    return made


@lru_cache(maxsize=8192)
def _bit(name: str, code: str) -> int:
    found = blake2b(f"{name}|{code}".encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return 1 << int.from_bytes(found) % BITS


def _codes(version: FhirVersion, resource: Resource) -> Iterator[tuple[str, str]]:
    type_ = str(resource.get("resourceType"))
    for name in MARKED:
        param = parameter(version, type_, name)
        if param is not None and param.kind == "token":
            for node in param.extract(resource):
                yield from ((name, code) for code in _texts(node) if isinstance(code, str))


def _texts(node: Any) -> list[Any]:
    """All that a token test compares with a code (profiles.fhir.search.matching.token_test)."""
    if isinstance(node, dict):
        codings = node.get("coding")
        if isinstance(codings, list):
            return [one.get("code") for one in codings if isinstance(one, dict)]
        return [node["value"] if "value" in node else node.get("code")]
    return [("true" if node else "false") if isinstance(node, bool) else node]
