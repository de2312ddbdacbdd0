"""Words where the facts are there: names of persons in one line, and displays of codes that our zib tables name.

Receivers read ``HumanName.text`` and ``Coding.display``, and say "unknown" without them. Nothing that a source said is
overwritten, and every addition is a line in the repair log. A code has a display only when all tables agree on it.
"""

from collections.abc import Mapping
from typing import Any, Final

from profiles.fhir.tree import Resource
from profiles.record.label import human_name
from profiles.record.repair import Repair
from profiles.record.walk import nodes
from profiles.zibs.load import code_names

NAMES: Final = frozenset({"family", "given"})
NOT_CODINGS: Final = frozenset({"value", "unit", "display", "_display"})
"""What a Coding does not have, or has already: a Quantity has system and code too."""


def add_words(resource: Resource) -> list[Repair]:
    """Add what is missing, in place; returns what was added."""
    added = []
    for path, node in nodes(resource):
        if not node.keys().isdisjoint(NAMES):
            if "text" not in node and "_text" not in node and (text := human_name(node)):
                node["text"] = text
                added.append(Repair("name-written", f"{path}.text"))
        elif (display := _display(node)) is not None:
            node["display"] = display
            added.append(Repair("display-from-table", f"{path}.display"))
    return added


def lacks_words(node: Mapping[str, Any]) -> bool:
    """Whether something may be added to an object of a resource."""
    if "family" in node or "given" in node:
        return "text" not in node
    return "code" in node and "system" in node and _display(node) is not None


def _display(node: Mapping[str, Any]) -> str | None:
    system, code = node.get("system"), node.get("code")
    if not isinstance(system, str) or not isinstance(code, str) or not node.keys().isdisjoint(NOT_CODINGS):
        return None
    return code_names().get((system, code))
