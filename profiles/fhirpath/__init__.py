"""FHIRPath on plain resources: the grammar and the value functions of the fhirpathpy library, our own evaluation.

What the library lacks or does differently from what the Dutch scripts and profiles expect is done here: types of
every element (``is(Coding)`` below ``descendants()``), ``hasValue()``, ``resolve()``, primitive extensions as part of
their primitive, decimals, syntax errors as errors, three-valued logic, and bounds on the work done.
Source: FHIRPath N1 (2.0.0) and the FHIR additions of FHIR R4, section 2.9.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from profiles.fhir.version import FhirVersion
from profiles.fhirpath.blame import culprits, place
from profiles.fhirpath.compiler import build
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.grammar import parse
from profiles.fhirpath.nodes import Node
from profiles.fhirpath.state import Evaluate, Find, Items, Scope, State
from profiles.fhirpath.typetable import type_table
from profiles.fhirpath.values import as_text, plain, truth

__all__ = ["Expression", "FhirPathError", "Node", "as_text", "compile"]


class Expression:
    """A compiled FHIRPath expression; free of state, so it may be shared between threads."""

    __slots__ = ("_evaluate", "_tree", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree = parse(text)
            self._evaluate = build(self._tree)
        except RecursionError:
            raise FhirPathError("FHIRPath expression is nested too deep") from None

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def evaluate(
        self,
        resource: Any,
        version: FhirVersion = FhirVersion.STU3,
        variables: Mapping[str, Any] | None = None,
        *,
        type_name: str | None = None,
        find: Find | None = None,
    ) -> list[Any]:
        """The result of the expression on a resource, as plain values (dict, str, bool, int, Decimal).

        ``resource`` may also be an element, then ``type_name`` says of which type ("CodeableConcept", "string",
        "Patient.contact"), or a ``Node``, which keeps its descendants from one evaluation to the next.
        ``variables`` are the %names; %resource, %rootResource and %context are the resource itself unless given.
        ``find`` gives the resource for a reference that resolve() finds neither contained nor in the Bundle.
        FhirPathError when the expression fails on this resource or exceeds the bounds.
        """
        return [plain(item) for item in self._run(resource, version, variables, type_name, find)]

    def truth(
        self,
        resource: Any,
        version: FhirVersion = FhirVersion.STU3,
        variables: Mapping[str, Any] | None = None,
        *,
        type_name: str | None = None,
        find: Find | None = None,
    ) -> bool:
        """Whether the expression holds: a single boolean by its value, any other result when it is not empty."""
        return truth(self._run(resource, version, variables, type_name, find))

    def blame(self, resource: Any, version: FhirVersion = FhirVersion.STU3, *, most: int = 5) -> list[tuple[str, Any]]:
        """The elements that make a rule about every element false: where each is, and its data.

        Empty when the expression is not of such a shape (``blame`` module), or cannot be evaluated.
        """
        search = culprits(self._tree)
        root = resource if isinstance(resource, Node) else Node(resource, None)
        try:
            found = self._guarded(search, State(type_table(version), root, {})) if search else []
        except FhirPathError:
            return []
        return [(place(root.data, item) or "", plain(item)) for item in found[:most]]

    def _run(
        self,
        resource: Any,
        version: FhirVersion,
        variables: Mapping[str, Any] | None,
        type_name: str | None,
        find: Find | None,
    ) -> Items:
        root = resource if isinstance(resource, Node) else Node(resource, type_name)
        return self._guarded(self._evaluate, State(type_table(version), root, variables or {}, find))

    @staticmethod
    def _guarded(evaluate: Evaluate, state: State) -> Items:
        try:
            return evaluate(Scope(state, [state.root]), [state.root])
        except FhirPathError:
            raise
        except RecursionError:
            raise FhirPathError("FHIRPath evaluation is nested too deep") from None
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise FhirPathError(f"FHIRPath evaluation failed: {type(error).__name__}") from error
        except Exception as error:  # the library raises bare Exception
            raise FhirPathError("FHIRPath evaluation failed") from error


@lru_cache(maxsize=8192)
def compile(expression: str) -> Expression:  # noqa: A001 (the name that every FHIRPath library gives it)
    """Read an expression once; FhirPathError when it is no FHIRPath or uses a function that is not supported."""
    return Expression(expression)
