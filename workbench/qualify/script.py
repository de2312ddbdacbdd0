"""A TestScript as data: what is sent, what is asserted, and with which variables, fixtures and profiles.

Source: FHIR R4 TestScript, the form in which Nictiz publishes its scripts for STU3 and R4 alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from profiles.fhir.version import FhirVersion


class Side(StrEnum):
    """Which side of the conversation a script tests, by its own mark of the system under test."""

    SERVER = "server"
    CLIENT = "client"
    LOAD = "load"


@dataclass(frozen=True, slots=True)
class Variable:
    """A named value: a default, or taken from a response or fixture by FHIRPath or from a response header."""

    name: str
    default: str | None = None
    expression: str | None = None
    source_id: str | None = None
    header_field: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Fixture:
    """A resource in a file beside the script; the reference is relative to the script's folder."""

    id: str
    reference: str | None
    autocreate: bool = False
    autodelete: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One request to send. ``unknown`` names the elements that this engine does not know."""

    code: str
    resource: str | None = None
    params: str | None = None
    url: str | None = None
    accept: str | None = None
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    source_id: str | None = None
    target_id: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    method: str | None = None
    encode: bool = True
    origin: int | None = None
    destination: int | None = None
    label: str = ""
    description: str = ""
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleCall:
    """A rule extension used by an assert: its id, its parameters, and the name of what it makes."""

    rule_id: str
    params: Mapping[str, str] = field(default_factory=dict)
    output: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Assertion:
    """One thing that must hold. ``checks`` are the elements that say what, by their FHIR name."""

    checks: Mapping[str, str] = field(default_factory=dict)
    operator: str | None = None
    value: str | None = None
    direction: str = "response"
    source_id: str | None = None
    compare_to: Mapping[str, str] = field(default_factory=dict)
    rule: RuleCall | None = None
    warning_only: bool = False
    stop_on_fail: bool = False
    label: str = ""
    description: str = ""
    unknown: tuple[str, ...] = ()


Action = Operation | Assertion


@dataclass(frozen=True, slots=True)
class Test:
    """A named run of actions; setup and teardown are tests too."""

    __test__ = False

    id: str
    name: str
    description: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A whole TestScript. ``rules`` maps a rule id to the name of the rule file; ``unknown`` as in Operation."""

    id: str
    path: str
    title: str
    description: str
    version: FhirVersion | None
    tests: tuple[Test, ...]
    variables: Mapping[str, Variable] = field(default_factory=dict)
    fixtures: Mapping[str, Fixture] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    tested_origins: frozenset[int] = frozenset()
    tested_destinations: frozenset[int] = frozenset()
    unknown: tuple[str, ...] = ()

    @property
    def side(self) -> Side:
        """The side that the script tests; a script that marks no system under test loads resources."""
        if self.tested_destinations:
            return Side.SERVER
        return Side.CLIENT if self.tested_origins else Side.LOAD

    @property
    def formats(self) -> frozenset[str]:
        """The formats that the script's own operations name: xml, json; empty when it leaves the choice."""
        found = {action.accept for test in self.tests for action in test.actions if isinstance(action, Operation)}
        return frozenset(name for name in found if name in ("xml", "json"))
