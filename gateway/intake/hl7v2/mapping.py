"""A mapping file for messages: the language of docs/mapping.md, with rows from segments in place of queries."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.mapping.faults import MappingFault, MappingFaults, misconfigured, steps
from adapters.mapping.file import StrictLoader, read_text
from adapters.mapping.functions import functions
from adapters.mapping.template import Part, RecordError, TemplateCompiler, TemplateError
from adapters.mapping.terms import TermMap, Terms
from adapters.port import AdapterMisconfigured
from gateway.intake.hl7v2.keep import KeepRule, kept
from gateway.intake.hl7v2.message import Message, MessageFault, Place, SegmentLine
from gateway.intake.hl7v2.row import SegmentRow
from gateway.intake.hl7v2.snapshot import Earlier, SnapshotRule, ended, nothing_earlier
from gateway.intake.hl7v2.special import ChildNames, language
from gateway.intake.hl7v2.untaken import Untaken, untaken
from gateway.intake.preconditions import Preconditions, version_is
from gateway.intake.tasks import ID, Key, Push, Task
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

SHIPPED = Path(__file__).parent / "mappings" / "zib2017.yaml"
KEEP_WHOLE = 200_000
"""Longest message that is kept with every resource made of it; of a longer one the mapped resource is kept."""

ANCHORS = {"patient": "PID", "observation": "OBX"}
"""Names for the rows that files of earlier releases use."""

_STRICT = ConfigDict(extra="forbid", frozen=True)

Stored = Callable[[Key], tuple[Resource, int] | None]
"""What is served now under a type and id, with its version."""


class MessageSection(BaseModel):
    """One kind of resource that comes out of a message: one for each segment that ``rows`` names."""

    model_config = _STRICT
    type: str = Field(pattern=r"^[A-Z][A-Za-z]+$")
    rows: str = Field(pattern=r"^(patient|observation|[A-Z][A-Z0-9]{2})$")
    messages: tuple[str, ...]
    """Types and events: ``ADT^A01``."""

    when: str | None = None
    """A formula: only rows for which it is true."""

    gone: str | None = None
    """A formula: rows for which it is true are deleted."""

    once: bool = False
    """Leave alone what is there already."""

    keep: tuple[KeepRule, ...] = ()
    """An update: what the message does not say stays as it is stored."""

    snapshot: SnapshotRule | None = None
    """What the segments of one message replace together, when they are a snapshot."""

    profile: str | None = None
    resource: dict[str, Any]

    @property
    def anchor(self) -> str:
        """The segment that it is made of."""
        return ANCHORS.get(self.rows, self.rows)


class MessageFile(BaseModel):
    """A whole mapping file."""

    model_config = _STRICT
    mapping: str
    version: FhirVersion
    systems: dict[str, str] = Field(default_factory=dict)
    """Short names, and the names of HL7 table 0396 (``LN``, ``SCT``), for the URLs of code systems."""

    terms: dict[str, TermMap] = Field(default_factory=dict)
    identity: dict[str, str] = Field(default_factory=dict)
    """Messages about who is who: merge, link or unlink."""

    quiet: dict[str, str] = Field(default_factory=dict)
    """Places that are not taken and need no warning, each with the reason."""

    sections: dict[str, MessageSection]

    @model_validator(mode="before")
    @classmethod
    def _without_pieces(cls, value: Any) -> Any:
        return {name: item for name, item in value.items() if name != "pieces"} if isinstance(value, dict) else value


@dataclass(frozen=True, slots=True)
class _Compiled:
    section: MessageSection
    id_of: Part
    body: Part
    when: Part | None
    gone: Part | None


@dataclass(slots=True)
class Mapped:
    """What a message comes to: a push, the segments that were refused by name, and what was not taken."""

    push: Push
    refused: list[MessageFault] = field(default_factory=list)
    untaken: list[Untaken] = field(default_factory=list)


class MessageMapping:
    """A compiled mapping."""

    def __init__(self, read: MessageFile) -> None:
        """Compile. Raises MappingFaults with everything that is wrong."""
        faults: list[MappingFault] = []
        self.file = read
        self.version = read.version
        self._language = language(read.systems)
        self._sections: list[_Compiled] = []
        for name, section in read.sections.items():
            told: list[TemplateError] = []
            known = functions(Terms(read.terms, read.systems))
            compiler = TemplateCompiler(known, frozenset(read.terms), ChildNames(), faults=told)
            body, place = dict(section.resource), ("sections", name)
            if "id" not in body:
                faults.append(MappingFault(place, "a resource needs an id"))
            parts = [compiler.part(body.pop("id", None), f"{section.type}.id"), compiler.part(body, section.type)]
            faults += [MappingFault((*place, "resource", *steps(one.place)[1:]), one.text) for one in told]
            told.clear()
            conditions = [compiler.part(one, name) if one else None for one in (section.when, section.gone)]
            faults += [MappingFault(place, f"when or gone: {one.text}") for one in told]
            self._sections.append(_Compiled(section, parts[0], parts[1], conditions[0], conditions[1]))
        if faults:
            raise MappingFaults(faults)
        self.snapshots = frozenset(one.anchor for one in read.sections.values() if one.snapshot is not None)
        self.messages = frozenset(one for each in read.sections.values() for one in each.messages) | set(read.identity)

    def row(self, message: Message, segment: SegmentLine) -> SegmentRow:
        """A segment as the row of a section."""
        return SegmentRow(message, segment, self._language)

    def read(
        self,
        message: Message,
        request_id: str,
        digest: bytes,
        stored: Stored = lambda _key: None,
        *,
        whole: bool = False,
        snapshots: frozenset[str] = frozenset(),
        earlier: Earlier = nothing_earlier,
    ) -> Mapped:
        """What a message asks for.

        A segment that cannot be mapped is refused by name and the rest goes on, unless ``whole``. The segments that
        ``snapshots`` names take the place of all that was sent before: what ``earlier`` knows and is not among them
        is deleted. Raises MessageFault when nothing is left, and for a fault in what says whose it is.
        """
        message.used.clear()
        mapped = Mapped(Push(self.version, [], "transaction", request_id, digest))
        made: dict[Key, Task] = {}
        told: set[int] = set()
        by: dict[Key, SegmentLine] = {}
        otherwise: list[Untaken] = []
        for segment in message.segments:
            sections = self._for(message, segment)
            if not sections:
                continue
            try:
                tasks, used = self._tasks(sections, message, segment, stored)
            except MessageFault as fault:
                if whole or segment.name == "PID":
                    raise
                mapped.refused.append(fault)
                told.add(segment.number)
                continue
            otherwise += [
                _otherwise(by[key], segment) for key, task in tasks.items() if key in made and _differ(made[key], task)
            ]
            made |= tasks
            by |= dict.fromkeys(tasks, segment)
            message.used |= used
        for task in self._ended(message, snapshots, earlier, told):
            made.setdefault(task.key, task)
        if mapped.refused and not any(task.type != "Patient" for task in made.values()):
            raise mapped.refused[0]
        said = any(not task.only_new for task in made.values())
        if not said and message.kind not in self.file.identity:
            raise MessageFault(
                "101", "there is nothing in it that can be taken in: no PID, or nothing about the patient"
            )
        mapped.push.tasks.extend(made.values())
        mapped.untaken = [*otherwise, *untaken(message, self.file.quiet, told)]
        return mapped

    def _for(self, message: Message, segment: SegmentLine) -> Sequence[_Compiled]:
        return [
            one for one in self._sections if one.section.anchor == segment.name and message.kind in one.section.messages
        ]

    def _ended(
        self, message: Message, snapshots: frozenset[str], earlier: Earlier, told: Collection[int]
    ) -> Iterator[Task]:
        """What is not in a snapshot any more. One of which a segment was refused ends nothing: it may be in that."""
        for compiled in self._sections:
            rule, anchor = compiled.section.snapshot, compiled.section.anchor
            listed = message.named(anchor) if rule is not None and message.kind in compiled.section.messages else []
            if rule is None or not listed or any(line.number in told for line in listed):
                continue
            rows = [self.row(message, line) for line in listed]
            none = len(rows) == 1 and rule.says_none(rows[0])
            if (none or anchor in snapshots) and len(message.named("PID")) == 1:
                staying = set() if none else {str(compiled.id_of.compute(row)) for row in rows}
                yield from ended(rule, compiled.section.type, rows[0], staying, earlier)

    def _tasks(
        self, sections: Sequence[_Compiled], message: Message, segment: SegmentLine, stored: Stored
    ) -> tuple[dict[Key, Task], set[Place]]:
        made: dict[Key, Task] = {}
        used: set[Place] = set()
        where = (segment.name, segment.turn, 0)
        for one in sections:
            row = self.row(message, segment)
            try:
                task = self._task(one, row, stored)
            except RecordError as fault:
                raise MessageFault(
                    "102", f"{segment.name} {segment.turn}: {fault.place}: {fault.text}", where=where
                ) from None
            except MessageFault as fault:
                fault.text = f"{segment.name} {segment.turn}: {fault.text}"
                fault.where = fault.where or where
                raise
            if task is not None:
                made[task.key] = task
                used |= row.reads
                if task.method == "DELETE":
                    used |= set(segment.valued())
        if not made and segment.name == "OBX" and not any(place[0] == segment.number for place in message.used):
            raise MessageFault(
                "207", f"{segment.name} {segment.turn}: a value of a kind that is not taken", where=where
            )
        return made, used

    def _task(self, compiled: _Compiled, row: SegmentRow, stored: Stored) -> Task | None:
        if compiled.when is not None and compiled.when.compute(row) is not True:
            return None
        if (rule := compiled.section.snapshot) is not None and rule.says_none(row):
            row.message.used |= set(row.anchor.valued())
            return None
        kind = compiled.section.type
        id_ = compiled.id_of.compute(row)
        if not isinstance(id_, str) or not ID.fullmatch(id_):
            raise MessageFault("101", f"{kind}.id: no usable number")
        if compiled.gone is not None and compiled.gone.compute(row) is True:
            return Task("DELETE", kind, id_, place=f"{kind}/{id_}")
        body = compiled.body.compute(row) or {}
        meta = {"meta": {"profile": [compiled.section.profile]}} if compiled.section.profile else {}
        only_if: Preconditions | None = None
        if compiled.section.keep:
            known = stored((kind, id_))
            only_if = version_is(known[1]) if known else None
            body = kept(compiled.section.keep, row, body, known[0] if known else None)
        resource = {"resourceType": kind, "id": id_, **meta, **body}
        raw = row.message.raw
        return Task(
            "PUT", kind, id_, resource, jsonio.dump(resource), only_new=compiled.section.once, place=f"{kind}/{id_}",
            received=(raw, "hl7v2") if len(raw) <= KEEP_WHOLE else None, only_if=only_if,
        )  # fmt: skip


def _differ(before: Task, after: Task) -> bool:
    """Whether two segments of a message say different things of one resource: the last counts, and that is told."""
    return before.type != "Patient" and (before.method, before.original) != (after.method, after.original)


def _otherwise(before: SegmentLine, after: SegmentLine) -> Untaken:
    where, last = (before.name, before.turn, 0), f"{after.name} {after.turn}"
    return Untaken(f"{before.name} {before.turn}", 1, where, f": {last} says otherwise of the same")


def load_mapping(path: Path) -> MessageMapping:
    """Read and compile a mapping file. Raises AdapterMisconfigured that names everything that is wrong, by line."""
    text = read_text(path)
    try:
        return MessageMapping(MessageFile.model_validate(yaml.load(text, StrictLoader)))  # noqa: S506 - a SafeLoader
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        faults = [MappingFault(one["loc"], one["msg"].removeprefix("Value error, ")) for one in found]
        raise misconfigured(path.name, text, faults) from None
    except MappingFaults as error:
        raise misconfigured(path.name, text, error.faults) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise AdapterMisconfigured(f"mapping {path.name} cannot be read{where}", cause=error) from error
