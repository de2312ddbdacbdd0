"""Writes docs/hl7.md: segment by segment, field by field, what is taken of an HL7 v2 message and what becomes of it.

python tools/hl7_page.py > docs/hl7.md

The rows come from the shipped mapping itself (`gateway/intake/hl7v2/mappings/zib2017.yaml`); the names of fields stand
in `tools/hl7_fields.yaml`, what people wrote in `tools/hl7_head.md`.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from adapters.mapping import formula
from gateway.intake.hl7v2.datatypes import READERS
from gateway.intake.hl7v2.mapping import SHIPPED, MessageFile, MessageSection, load_mapping
from gateway.intake.hl7v2.row import CHILD, COLUMN

NAMES: Mapping[str, Mapping[int, str]] = yaml.safe_load((Path(__file__).parent / "hl7_fields.yaml").read_text("utf-8"))

BEHIND = {
    "patient_id": ["PID_3"], "bsn": ["PID_3"], "notes": ["NTE_3"], "own_notes": ["NTE_3"], "turn": ["OBX_3"],
    "sector": ["OBR_24"], "reference_range": ["OBX_7", "OBX_6"], "document": ["OBX_5"], "document_media": ["OBX_5"],
    "document_size": ["OBX_5"], "document_hash": ["OBX_5"], "text_document": ["OBX_5", "OBX_2"],
    "text_document_size": ["OBX_5"], "text_document_hash": ["OBX_5"], "members": ["OBX_4"], "values": ["OBX_5"],
    "event": [], "house": [], "several": [],
    **{
        f"value_{kind}": ["OBX_5", "OBX_2", "OBX_6"]
        for kind in ("quantity", "string", "concept", "range", "ratio", "period", "time", "datetime")
    },
}  # fmt: skip
"""The fields behind columns and child rows with a name of their own."""

HEAD = (Path(__file__).parent / "hl7_head.md").read_text("utf-8")


def columns(node: Any) -> Iterator[str]:
    """The columns and child rows that a template names."""
    if isinstance(node, str) and node.startswith("="):
        yield from formula.columns(formula.parse(node[1:]))
    if isinstance(node, dict) and isinstance(node.get("$each"), str):
        yield node["$each"]
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from columns(item)


def fields(name: str) -> Iterator[str]:
    """The fields behind a column: ``PID_5`` for ``PID_5_1_3``."""
    if name in BEHIND:
        yield from BEHIND[name]
    elif (matched := COLUMN.fullmatch(name) or CHILD.fullmatch(name)) and matched[2]:
        yield f"{matched[1]}_{int(matched[2])}"


def taken(file: MessageFile) -> dict[str, list[str]]:
    """Per field the elements that it feeds, as ``Patient.name``."""
    found: dict[str, list[str]] = {}
    for section in file.sections.values():
        for element, node in section.resource.items():
            place = f"{section.type}.{element.lstrip('_')}"
            for column in columns(node):
                for one in fields(column):
                    if place not in found.setdefault(one, []):
                        found[one].append(place)
        for column in columns([section.when, section.gone]):
            for one in fields(column):
                found.setdefault(one, [])
    return found


def page() -> str:
    """The whole page."""
    file = load_mapping(SHIPPED).file
    types = ", ".join(sorted(kind for kind in READERS if kind)) + ", ED, and none at all (a text)"
    return "".join([HEAD.replace("{types}", types), *_messages(file), *_segments(file)])


def _messages(file: MessageFile) -> Iterator[str]:
    yield "| message | becomes |\n|---|---|\n"
    made: dict[str, list[str]] = {}
    for section in file.sections.values():
        for kind in section.messages:
            made.setdefault(kind, []).append(_made(section))
    for kind in sorted(made):
        yield f"| {kind} | {', '.join(dict.fromkeys(made[kind]))} |\n"


def _made(section: MessageSection) -> str:
    profile = (section.profile or "").rpartition("/")[2]
    told = f"{section.type} ({profile})" if profile else section.type
    return told + (" when not known yet" if section.once else "")


def _segments(file: MessageFile) -> Iterator[str]:
    found = taken(file)
    quiet = {name.replace("@", " in "): why for name, why in file.quiet.items()}
    whole = {name: why for name, why in quiet.items() if "_" not in name}
    yield "\n## Segments without a warning\n\n| segment | why |\n|---|---|\n"
    for name in sorted(whole):
        yield f"| {name} | {whole[name]} |\n"
    names = {name.partition("_")[0] for name in (*found, *quiet) if "_" in name}
    for segment in sorted(names):
        yield f"\n## {segment}\n\n| field | name | taken as | no warning |\n|---|---|---|---|\n"
        mine = {name for name in (*found, *quiet) if name.startswith(f"{segment}_")}
        for name in sorted(mine, key=lambda one: [int(part) for part in re.findall(r"\d+", one[4:])]):
            number, *component = name[4:].split("_")
            label = f"{segment}-{number}" + "".join(f".{one}" for one in component)
            called = NAMES.get(segment, {}).get(int(number), "")
            yield f"| {label} | {called} | {', '.join(found.get(name, ()))} | {quiet.get(name, '')} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
