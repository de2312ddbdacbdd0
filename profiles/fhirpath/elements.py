"""The functions that FHIR adds to FHIRPath (FHIR R4, section 2.9.1), and those that ask the evaluation something."""

from typing import Final

from profiles.fhirpath.evaluation import Closure, Evaluation
from profiles.fhirpath.items import ElementNode, Items, bare, walk_to
from profiles.fhirpath.makers import FunctionRow, Maker, on_items
from profiles.fhirpath.moments import Moment, moment
from profiles.fhirpath.values import type_of

_EXTENSION = walk_to("extension")


def _extension(left: Closure, arguments: list[Closure]) -> Closure:
    url = arguments[0]

    def run(focus: Items, env: Evaluation) -> Items:
        wanted = [bare(one) for one in url(focus, env)]
        env.steps -= 1
        return [
            item
            for item in _EXTENSION(left(focus, env))
            if isinstance(data := bare(item), dict) and data.get("url") in wanted
        ]

    return run


def _has_value(items: Items) -> Items:
    value = bare(items[0]) if len(items) == 1 else None
    return [value is not None and not isinstance(value, dict | list)]


def _get_value(items: Items) -> Items:
    return [bare(items[0])] if _has_value(items)[0] else []


def _resolve(left: Closure, arguments: list[Closure]) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        out: Items = []
        if env.resolve is None:
            return out
        for item in left(focus, env):
            value = bare(item)
            text = value.get("reference") if isinstance(value, dict) else value
            env.spend(1)
            if not isinstance(text, str) or not text:
                continue
            typed = type(item) is ElementNode and item.types is not None
            home = item.home if typed else None
            found = env.resolve(text, home)
            if found is not None:
                inside = home if text.startswith("#") else None
                out.append(env.typed(found, None, inside) if typed else found)
        return out

    return run


def _member_of(left: Closure, arguments: list[Closure]) -> Closure:
    value_set = arguments[0]

    def run(focus: Items, env: Evaluation) -> Items:
        items, url = left(focus, env), value_set(focus, env)
        if not items or not url or env.member is None:
            return []
        found = [env.member(bare(item), str(bare(url[0]))) for item in items]
        return [True] if True in found else [] if None in found else [False]

    return run


def _type(left: Closure, arguments: list[Closure]) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        kinds = [type_of(item) for item in left(focus, env)]
        return [env.typed({"namespace": namespace, "name": name}) for namespace, name in kinds]

    return run


def _trace(left: Closure, arguments: list[Closure]) -> Closure:
    return left


def _on_the_clock(form: str, *, time: bool = False) -> Maker:
    def make(left: Closure, arguments: list[Closure]) -> Closure:
        def run(focus: Items, env: Evaluation) -> Items:
            found: Moment | None
            if time:
                found = moment("T" + env.now.strftime(form), literal=True)
            else:
                found = moment(env.now.isoformat(timespec="milliseconds") if not form else env.now.strftime(form))
            return [found]

        return run

    return make


ELEMENTS: Final[dict[str, FunctionRow]] = {
    "extension": FunctionRow(1, 1, _extension),
    "hasValue": on_items(_has_value),
    "getValue": on_items(_get_value),
    "resolve": FunctionRow(0, 0, _resolve),
    "memberOf": FunctionRow(1, 1, _member_of),
    "type": FunctionRow(0, 0, _type),
    "trace": FunctionRow(1, 2, _trace),
    "htmlChecks": on_items(lambda items: [True]),
    "htmlchecks": on_items(lambda items: [True]),
    "now": FunctionRow(0, 0, _on_the_clock("")),
    "today": FunctionRow(0, 0, _on_the_clock("%Y-%m-%d")),
    "timeOfDay": FunctionRow(0, 0, _on_the_clock("%H:%M:%S", time=True)),
}
"""Functions of FHIR and of the evaluation, by name. Narrative is checked by its format: htmlChecks() holds."""
