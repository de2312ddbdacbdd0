"""Rule: an extension that is known here has the right value, and stands where it may; unknown ones are left alone.

A modifier extension that nobody here knows makes the resource not checkable: its meaning may change everything.
Where an extension may stand is the affair of `profiles.validation.rules.contexts`: the check leaves a candidate for it.
"""

from collections.abc import Callable
from typing import Any

from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.rules.contexts import Contexts, contradicted, to_settle
from profiles.validation.schema.nodes import HL7, Node
from profiles.validation.shapes import Shape

Lookup = Callable[[str], "tuple[Shape, Contexts] | None"]


def extension_check(
    node: Node, base: Check, lookup: Lookup, is_resource: Callable[[str], bool], *, strict: bool
) -> Check:
    """A check for an extension that no slice names: by its own definition when that is here.

    ``strict``: one that has no definition here is an error.
    """
    modifier = node.name == "modifierExtension"
    holder = node.id.rpartition(".")[0]
    last = holder.rpartition(".")[2].partition(":")[0]
    nested = last in ("Extension", "extension", "modifierExtension")
    parts = _parts(node)
    wrong = "extension.relative" if not nested else "extension.part" if parts else None
    known: dict[str, tuple[Check, Contexts] | None] = {}

    def own(url: str) -> tuple[Check, Contexts] | None:
        if url not in known and len(known) < 4096:
            definition = lookup(url) if ":" in url else None
            known[url] = (
                None if definition is None else (definition[0].check, to_settle(definition[1], holder, is_resource))
            )
        return known.get(url)

    def check(value: Any, context: Any) -> Hits | None:
        url = value.get("url") if type(value) is dict else None
        definition = own(url) if type(url) is str else None
        if definition is not None:
            hits = definition[0](value, context)
            if definition[1]:
                allowed = ", ".join(text for _, text in definition[1])
                params = {"value": url, "allowed": allowed, "where": definition[1]}
                severity = "warning" if url in contradicted() else "error"
                hits = [*(hits or ()), Hit("extension.context", node, params, severity)]
            return hits
        hits = base(value, context)
        if type(url) is str and ":" not in url and wrong is not None:
            return [*(hits or ()), Hit(wrong, node, {"value": url[:200], "allowed": ", ".join(parts)})]
        if strict and type(url) is str and ":" in url and not url.startswith(HL7):
            return [*(hits or ()), Hit("extension.unknown", node, {"value": url[:200]})]
        if modifier and type(url) is str and ":" in url:
            hits = [*(hits or ()), Hit("extension.modifier", node, {"value": url[:200]}, "information")]
        return hits

    return check


def _parts(node: Node) -> tuple[str, ...]:
    """The urls of the parts that the definition of an extension names; empty when it leaves one open."""
    urls = [getattr((one.children or {}).get("url"), "fixed", None) for one in node.slices.values()]
    return tuple(url for url in urls if isinstance(url, str)) if all(isinstance(url, str) for url in urls) else ()
