"""Rule: a code of a code system that came whole with a package is one of its codes, whatever the binding says.

So is a code of a system that the institution has in its store of codes.
Code systems that go on changing outside FHIR releases (the HL7 v2 and v3 ones under terminology.hl7.org) may have got
codes since the package was made: there an unknown code is a warning.
"""

from typing import Any, Final

from profiles.validation.hits import Check, Hit, Hits, Segment
from profiles.validation.schema.codesystem import CodeSystem
from profiles.validation.schema.nodes import Node
from profiles.validation.schema.terminology import Terminology

MOVING: Final = ("http://terminology.hl7.org/CodeSystem/v2-", "http://terminology.hl7.org/CodeSystem/v3-")
MAX_SYSTEMS: Final = 4_096


def code_check(node: Node, terminology: Terminology) -> Check:
    """A check for Coding."""
    known: dict[str, CodeSystem | None] = {}
    stored = terminology.codes

    def check(value: Any, context: Any) -> Hits | None:
        system, code = value.get("system"), value.get("code")
        if type(system) is not str or type(code) is not str:
            return None
        if stored is not None and stored.knows(system):
            return None if stored.has(system, code) or _composed(code) else [_unknown(node, system, code)]
        if system in known:
            code_system = known[system]
        else:
            code_system = terminology.code_system(system)
            code_system = code_system if code_system is not None and code_system.complete else None
            if len(known) < MAX_SYSTEMS:
                known[system] = code_system
        if (
            code_system is None
            or code in code_system.codes
            or (code_system.folded is not None and code.casefold() in code_system.folded)
        ):
            return None
        return [_unknown(node, system, code)]

    return check


def _composed(code: str) -> bool:
    """Whether a code is an expression made of several, which no list holds."""
    return any(sign in code for sign in ":+=|{")


def _unknown(node: Node, system: str, code: str) -> Hit:
    severity = "warning" if system.startswith(MOVING) else "error"
    hit = Hit("code.unknown", node, {"value": code[:80], "system": system[:200]}, severity)
    hit.path.append(Segment("code", "code"))
    return hit
