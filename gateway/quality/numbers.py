"""Citizen service numbers that cannot be right: looked at before they are masked, and never repeated."""

from collections.abc import Iterator

from profiles.fhir.tree import Resource
from profiles.record.bsn import is_bsn_system, valid_bsn
from profiles.record.walk import nodes
from profiles.validation import Finding
from profiles.validation.run.messages import entry

RULE = "system"
ELEMENT = "identifier"


def wrong_numbers(resource: Resource) -> Iterator[Finding]:
    """A finding for every BSN that is not nine digits which pass the eleven test."""
    for path, node in nodes(resource):
        value = node.get("value")
        if is_bsn_system(node.get("system")) and isinstance(value, str) and not valid_bsn(value):
            row = entry("system.bsn")
            named = {"name_nl": ELEMENT, "name_en": ELEMENT}
            yield Finding(
                "error",
                row["code"],
                RULE,
                f"{path}.value",
                row["nl"].format_map(named),
                row["en"].format_map(named),
                row["do_nl"],
                row["do_en"],
            )
