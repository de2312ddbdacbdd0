"""The EHR's own address in its answers: outside, it means nothing."""

from collections.abc import Iterator, Sequence

from adapters.port import RepairNote
from profiles.fhir.tree import Resource
from profiles.record.walk import nodes


def localise(resources: Sequence[Resource], base: str) -> Iterator[RepairNote]:
    """Make absolute references to the EHR itself relative, in place: outside, its address means nothing."""
    for resource in resources:
        name = f"{resource.get('resourceType')}/{resource.get('id')}"
        for place, node in nodes(resource):
            for element, below in (("reference", base), ("url", f"{base}/Binary")):
                literal = node.get(element)
                if isinstance(literal, str) and literal.startswith(f"{below}/"):
                    node[element] = literal.removeprefix(f"{base}/")
                    text = "reference made relative"
                    yield RepairNote(name, "own-address", f"{place}.{element}", text, literal, node[element])
