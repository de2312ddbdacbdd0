"""Rule: an extension that is known here has the right value, and stands where it may; unknown ones are left alone.

A modifier extension that nobody here knows makes the resource not checkable: its meaning may change everything.
Where an extension may stand is published as paths and types (StructureDefinition.context). The path of the instance
is only known when a hit has travelled up, so the check leaves a candidate, which `settled` keeps or drops. For the
extensions of HL7 itself this is a warning: the resources of the core packages contradict their contexts hundreds of
times.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import HL7, Node
from profiles.validation.shapes import Shape

Contexts = tuple[tuple[str, str], ...]
Lookup = Callable[[str], "tuple[Shape, Contexts] | None"]
ANYWHERE: Final = frozenset({"", "*", "Any", "Element", "Extension"})


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
                None if definition is None else (definition[0].check, _open(definition[1], holder, is_resource))
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
                severity = "warning" if str(url).startswith(HL7) else "error"
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


def _open(contexts: Contexts, holder: str, is_resource: Callable[[str], bool]) -> Contexts:
    """The contexts when they have to be compared with the path of the instance; empty when the place is right.

    Empty too when unsure: rules by FHIRPath or by enclosing extension, by a primitive type, and holders that are
    themselves extensions.
    """
    if not contexts or holder.startswith("Extension") or any(kind in ("extension", "fhirpath") for kind, _ in contexts):
        return ()
    for _, text in contexts:
        if text in ANYWHERE or text == holder or text[:1].islower() or text.startswith("http"):
            return ()
        if is_resource(holder) and text in ("Resource", "DomainResource"):
            return ()
        if "." not in text and not is_resource(text) and ("." in holder or holder == "Element"):
            return ()
    return contexts


def settled(hits: Sequence[Hit]) -> Hits:
    """The hits without the candidates that turn out to stand where they may."""
    return [hit for hit in hits if hit.key != "extension.context" or not _fits(hit)]


def _fits(hit: Hit) -> bool:
    names = [step.name for step in reversed(hit.path) if not isinstance(step, int)]
    while names and names[-1] in ("extension", "modifierExtension"):
        names.pop()
    path = ".".join(names)
    for _, text in hit.params["where"]:
        below = text.partition(".")[2].replace("[x]", "")
        if path == below or (below and path.endswith("." + below)):
            return True
    return False
