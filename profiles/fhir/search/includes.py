"""``_include`` and ``_revinclude``: which other resources come along, each once and only what is pointed at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from profiles.fhir.search.searchparams import SearchParam, ours, parameter
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion

ITERATE = {FhirVersion.STU3: "recurse", FhirVersion.R4: "iterate"}
"""How a release spells an include that also holds for what was included."""


@dataclass(frozen=True, slots=True)
class Include:
    """``Source:param`` or ``Source:param:Target``."""

    source: str
    param: SearchParam
    target: str | None
    iterate: bool
    reverse: bool

    def targets(self, resource: Resource) -> Iterator[tuple[str, str]]:
        """The type and id of everything that a resource of the source type points at through the parameter."""
        if resource.get("resourceType") != self.source:
            return
        for node in self.param.extract(resource):
            text = node.get("reference") if isinstance(node, dict) else None
            local = local_reference(text) if isinstance(text, str) else None
            if local is None or (self.param.targets and local[0] not in self.param.targets):
                continue
            if self.target is None or local[0] == self.target:
                yield local


def read_include(version: FhirVersion, name: str, value: str, *, own: bool = False) -> Include:
    """Read one ``_include`` or ``_revinclude``; ValueError with a public text that does not repeat the value.

    ``own``: the gateway itself asks, and may follow references that no client can ask for.
    """
    base, _, modifier = name.partition(":")
    if modifier not in ("", ITERATE[version]):
        raise ValueError(f"this modifier is not supported, write {base} or {base}:{ITERATE[version]}")
    if re.fullmatch(r"[A-Za-z]+:[A-Za-z\-]+(:[A-Za-z]+)?", value, re.ASCII) is None:
        raise ValueError("an include is written as Type:parameter or Type:parameter:TargetType")
    source, param_name, *rest = value.split(":")
    param = parameter(version, source, param_name)
    if own and param is None:
        param = ours(version, source).get(param_name)
    if param is None or param.kind != "reference":
        raise ValueError("this include is not supported")
    target = rest[0] if rest else None
    if target is not None and param.targets and target not in param.targets:
        raise ValueError("this include cannot point at that type")
    return Include(source, param, target, bool(modifier), base == "_revinclude")
