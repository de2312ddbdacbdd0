"""Tests on values, one maker per kind of search parameter. Each is made once per query and run per resource.

A maker takes the alternatives of one parameter (its OR list, as text) and gives a test on one node. It raises
ValueError with a public text when an alternative cannot be read; the text never repeats the value.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from profiles.fhir.tree import local_reference

Test = Callable[[Any], bool]

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_ESCAPE = re.compile(r"\\([\\,|$])")


def split(text: str, separator: str) -> list[str]:
    """Split a search value at a separator that is not escaped with a backslash; escapes stay as they are."""
    if "\\" not in text:
        return text.split(separator)
    parts = [""]
    escaped = False
    for char in text:
        if char == separator and not escaped:
            parts.append("")
            continue
        parts[-1] += char
        escaped = char == "\\" and not escaped
    return parts


def unescape(text: str) -> str:
    r"""Take the backslashes of ``\,`` ``\|`` ``\$`` and ``\\`` away."""
    return _ESCAPE.sub(r"\1", text)


# Tokens: FHIR STU3 search, section 3.1.1.4.10.


def token_test(alternatives: Sequence[str]) -> Test:
    """Match ``code``, ``system|code``, ``system|`` and ``|code`` on every type that a token can be.

    Coding and CodeableConcept compare system and code, Identifier and ContactPoint system and value, code and boolean
    the text itself. The system of a plain code element is not in the data, so ``system|code`` never matches it.
    """
    pairs: set[tuple[str | None, str]] = set()
    codes: set[str] = set()
    systems: set[str] = set()
    for alternative in alternatives:
        parts = [unescape(part) for part in split(alternative, "|")]
        if len(parts) > 2 or not any(parts):
            raise ValueError("a token is written as code, system|code, system| or |code")
        if len(parts) == 1:
            codes.add(parts[0])
        elif not parts[1]:
            systems.add(parts[0])
        else:
            pairs.add((parts[0] or None, parts[1]))

    def pair_matches(system: Any, code: Any) -> bool:
        if not isinstance(system, str | None):
            return False
        if isinstance(code, str) and (code in codes or (system, code) in pairs):
            return True
        return system is not None and system in systems

    def test(node: Any) -> bool:
        if isinstance(node, dict):
            codings = node.get("coding")
            if isinstance(codings, list):
                for coding in codings:
                    if isinstance(coding, dict) and pair_matches(coding.get("system"), coding.get("code")):
                        return True
                return False
            return pair_matches(node.get("system"), node["value"] if "value" in node else node.get("code"))
        if isinstance(node, bool):
            node = "true" if node else "false"
        return isinstance(node, str) and pair_matches(None, node)

    return test


# References: FHIR STU3 search, section 3.1.1.4.11.


def reference_test(alternatives: Sequence[str], targets: Collection[str]) -> Test:
    """Match ``Type/id``, a bare id (of the types that the parameter points at) and an absolute URL.

    An absolute URL matches the same stored absolute URL, and a stored relative reference with its type and id:
    relative references are ours.
    """
    local: set[tuple[str, str]] = set()
    ids: set[str] = set()
    absolute: set[str] = set()
    absolute_local: set[tuple[str, str]] = set()
    for alternative in map(unescape, alternatives):
        key = local_reference(alternative)
        if _ID.fullmatch(alternative):
            ids.add(alternative)
        elif alternative.startswith("urn:"):
            absolute.add(alternative)
        elif key is None or _ID.fullmatch(key[1]) is None or "?" in alternative:
            raise ValueError("a reference is written as Type/id, id or an absolute URL")
        elif "://" in alternative:
            absolute.add(_without_history(alternative))
            absolute_local.add(key)
        elif _without_history(alternative).count("/") == 1:
            local.add(key)
        else:
            raise ValueError("a reference is written as Type/id, id or an absolute URL")

    def test(node: Any) -> bool:
        text = node.get("reference") if isinstance(node, dict) else node
        if not isinstance(text, str):
            return False
        if absolute and _without_history(text) in absolute:
            return True
        key = local_reference(text)
        if key is None or (targets and key[0] not in targets):
            return False
        return key in local or key[1] in ids or ("://" not in text and key in absolute_local)

    return test


def _without_history(text: str) -> str:
    return text.split("/_history/", 1)[0]


# Strings: FHIR STU3 search, section 3.1.1.4.8.


def string_test(alternatives: Sequence[str], modifier: str | None) -> Test:
    """Match the start of a text without regard to case and accents; ``exact`` and ``contains`` as in FHIR."""
    wanted = [unescape(text) if modifier == "exact" else _folded(unescape(text)) for text in alternatives]

    def test(node: Any) -> bool:
        for text in _texts(node):
            if modifier == "exact":
                if text in wanted:
                    return True
            else:
                folded = _folded(text)
                if any(one in folded if modifier == "contains" else folded.startswith(one) for one in wanted):
                    return True
        return False

    return test


def _folded(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char))


def _texts(node: Any) -> Iterator[str]:
    """The text itself, or the parts of a HumanName or Address."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key in ("text", "family", "given", "prefix", "suffix", "line", "city", "postalCode", "country"):
            value = node.get(key)
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str):
                    yield text


def uri_test(alternatives: Sequence[str]) -> Test:
    """Match a uri that is exactly the one asked."""
    wanted = {unescape(text) for text in alternatives}
    return lambda node: isinstance(node, str) and node in wanted
