"""A compiled expression, and what its users ask of it."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from profiles.fhir.version import FhirVersion
from profiles.fhirpath.blame import culprits, place
from profiles.fhirpath.compiler import asks_types, build
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.evaluation import Closure, Evaluation
from profiles.fhirpath.items import ElementNode, Items, bare, truth
from profiles.fhirpath.parser import parse
from profiles.fhirpath.reach import Find, Reach
from profiles.fhirpath.typesystem import type_system

Judge = Callable[[Any, Evaluation], Items]
Rule = Callable[[Any, Evaluation], bool | None]
_FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def rooted(resource: Any, version: FhirVersion) -> ElementNode:
    """A resource as the root of evaluations: what was found below it is kept from one expression to the next."""
    return ElementNode(resource, None, None, None, type_system(version))


class Expression:
    """A compiled FHIRPath expression; free of state, so it may be shared between threads."""

    __slots__ = ("_closure", "_tree", "text", "typed")

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree = parse(text)
            self.typed = asks_types(self._tree)
            self._closure = build(self._tree, typed=self.typed)
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
        """The result of the expression on a resource, as plain values (dict, str, bool, int, Moment ...).

        ``resource`` may also be an element, then ``type_name`` says of which type ("CodeableConcept", "string",
        "Patient.contact"), or what `rooted` made. ``variables`` are the %names; %resource, %rootResource and %context
        are the resource itself unless given. ``find`` gives the resource for a reference that resolve() finds neither
        contained nor in the Bundle. FhirPathError when the expression fails on this resource or exceeds the bounds.
        """
        return [bare(item) for item in self._run(self._closure, resource, version, variables, type_name, find)]

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
        return truth(self._run(self._closure, resource, version, variables, type_name, find)) is True

    def blame(self, resource: Any, version: FhirVersion = FhirVersion.STU3, *, most: int = 5) -> list[tuple[str, Any]]:
        """The elements that make a rule about every element false: where each is, and its data.

        Empty when the expression is not of such a shape (``blame`` module), or cannot be evaluated.
        """
        search = culprits(self._tree, typed=self.typed)
        try:
            found = self._run(search, resource, version, None, None, None) if search else []
        except FhirPathError:
            return []
        return [(place(bare(resource), item) or "", bare(item)) for item in found[:most]]

    def judge(self, type_name: str | None = None) -> Judge:
        """A function for those who evaluate often: from a value of this type and an `Evaluation` to the items.

        The evaluation's variables are the caller's to set. FhirPathError as with `evaluate`.
        """
        closure, typed = self._closure, self.typed

        def judge(value: Any, env: Evaluation) -> Items:
            try:
                return closure([_known(value, type_name, env) if typed else value], env)
            except FhirPathError:
                raise
            except _FAULTS as fault:
                raise _failed(fault) from fault

        return judge

    def rule(self, type_name: str | None = None) -> Rule:
        """Like `judge`, for an expression that is a rule: whether it holds for the value; None when it is empty."""
        closure, typed = self._closure, self.typed

        def holds(value: Any, env: Evaluation) -> bool | None:
            try:
                items = closure([_known(value, type_name, env) if typed else value], env)
            except FhirPathError:
                raise
            except _FAULTS as fault:
                raise _failed(fault) from fault
            if len(items) == 1 and items[0] is True:
                return True
            return truth(items)

        return holds

    def _run(
        self,
        closure: Closure,
        resource: Any,
        version: FhirVersion,
        variables: Mapping[str, Any] | None,
        type_name: str | None,
        find: Find | None,
    ) -> Items:
        types = type_system(version)
        root = resource if type(resource) is ElementNode else ElementNode(resource, type_name, None, None, types)
        names = {"resource": root, "rootResource": root, "context": root, **(variables or {})}
        env = Evaluation(
            types,
            names["resource"],
            names["rootResource"],
            names["context"],
            Reach(root.data, find).resolve,
            variables=names,
        )
        item = root if self.typed or not _has_plain_form(root) else root.data
        try:
            return closure([item], env)
        except FhirPathError:
            raise
        except _FAULTS as fault:
            raise _failed(fault) from fault


def _known(value: Any, type_name: str | None, env: Evaluation) -> ElementNode:
    """A value as an element of this type, unless it knows its type already."""
    if type(value) is not ElementNode:
        return ElementNode(value, type_name, None, env.resource, env.types)
    if value.types is not None:
        return value
    return ElementNode(value.data, type_name, value.extra, env.resource, env.types)


def _has_plain_form(root: ElementNode) -> bool:
    return root.extra is None and root.data is not None


def _failed(fault: Exception) -> FhirPathError:
    return FhirPathError(f"FHIRPath evaluation failed: {type(fault).__name__}")


@lru_cache(maxsize=8192)
def compile(text: str) -> Expression:  # noqa: A001 (the name that every FHIRPath library gives it)
    """Read an expression once; FhirPathError when it is no FHIRPath or uses a function that is not known."""
    return Expression(text)
