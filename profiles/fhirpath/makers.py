"""What every function of the language is made by: from the compiled subject and arguments to a closure."""

from collections.abc import Callable
from typing import Any, NamedTuple

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.evaluation import Closure, Evaluation
from profiles.fhirpath.items import Items, bare, single, valued

Maker = Callable[[Closure, list[Closure]], Closure]


class FunctionRow(NamedTuple):
    """A row of the function table: least and most arguments, and the maker."""

    least: int
    most: int
    make: Maker


def on_items(run: Callable[[Items], Items]) -> FunctionRow:
    """A function without arguments of the whole collection."""

    def make(left: Closure, arguments: list[Closure]) -> Closure:
        return lambda focus, env: run(left(focus, env))

    return FunctionRow(0, 0, make)


def on_two(run: Callable[[Items, Items], Items]) -> FunctionRow:
    """A function of the collection and one other."""

    def make(left: Closure, arguments: list[Closure]) -> Closure:
        other = arguments[0]

        def call(focus: Items, env: Evaluation) -> Items:
            items, others = left(focus, env), other(focus, env)
            env.spend(len(items) + len(others))
            return run(items, others)

        return call

    return FunctionRow(1, 1, make)


def on_value(
    run: Callable[..., Any], least: int = 0, most: int | None = None, *, cost: Callable[..., int] | None = None
) -> FunctionRow:
    """A function of one plain value and plain values; None among them, or as the answer, is empty.

    ``cost`` says how many steps the call takes, from the same values.
    """

    def make(left: Closure, arguments: list[Closure]) -> Closure:
        def call(focus: Items, env: Evaluation) -> Items:
            value = one(left(focus, env))
            if value is None:
                return []
            values = [one(argument(focus, env)) for argument in arguments]
            if None in values:
                return []
            if cost is not None:
                env.spend(cost(value, *values))
            elif type(value) is str:
                env.steps -= len(value) // 50
            found = run(value, *values)
            return found if type(found) is list else [] if found is None else [found]

        return call

    return FunctionRow(least, least if most is None else most, make)


def one(items: Items) -> Any:
    """The value of the only item; None when there is none, FhirPathError when there are several."""
    if len(items) == 1:
        return bare(items[0])
    return single(valued(items), "a function of one value")


def counted(items: Items) -> int:
    """An argument that must be a whole number."""
    value = one(items)
    if type(value) is not int:
        raise FhirPathError("FHIRPath: a whole number is expected")
    return value
