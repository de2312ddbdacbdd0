"""A mapping, compiled once: sections that turn rows into resources, and count what they could not."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from adapters.mapping import coverage, formula
from adapters.mapping.faults import MappingFault, MappingFaults, Steps, misconfigured, steps
from adapters.mapping.file import Children, MappingFile, MappingSection, Zib, parse_mapping, read_text
from adapters.mapping.functions import functions
from adapters.mapping.names import element_faults, row_faults
from adapters.mapping.template import CHILDREN, Part, RecordError, TemplateCompiler, TemplateError, Watch
from adapters.mapping.terms import Terms
from adapters.port import WHO_IT_IS, Capabilities, Coverage, CoverageLevel, Gap, Reason, WrongPatient
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.whose import OWNERS

_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}", re.ASCII)

PATIENT_COLUMN = "patient_id"


@dataclass(slots=True)
class UnmappedTally:
    """What could not be mapped, by place and reason; never a value."""

    failed: Counter[tuple[str, str]] = field(default_factory=Counter)

    def gaps(self, section: "CompiledSection") -> list[Gap]:
        """One gap per section that lost records."""
        lost = sum(self.failed.values())
        if not lost:
            return []
        (place, text), _ = self.failed.most_common(1)[0]
        words = f"{lost} {section.type} could not be delivered ({place}: {text})"
        return [Gap(section.type, Reason.INVALID_BLOCKED, words)]


@dataclass(frozen=True)
class CompiledSection:
    """One section. ``run`` takes rows as they stream in; ``children`` are small and already fetched."""

    name: str
    type: str
    query: str
    profile: str | None
    rows: frozenset[tuple[str, str]]
    partly: str | None
    shared: bool
    children: Mapping[str, Children]
    zib: Zib | None
    template: Mapping[str, Any]
    body: Part
    id_of: Part
    columns: frozenset[str]

    def run(
        self,
        rows: Iterable[Mapping[str, Any]],
        patient: str,
        children: Mapping[str, Mapping[Any, Sequence[Mapping[str, Any]]]],
        tally: UnmappedTally,
        only: str | None = None,
    ) -> Iterator[Resource]:
        """Turn rows into resources. ``only`` is the one id that is wanted; other rows are not worked out.

        Raises `WrongPatient` for a row of another patient; rows that cannot be mapped are counted in ``tally``.
        """
        for row in rows:
            self.check_owner(row, patient)
            try:
                made = self.resource_of(row, children, only)
            except RecordError as error:
                tally.failed[(error.place, error.text)] += 1
                continue
            if made is not None:
                yield made

    def check_owner(self, row: Mapping[str, Any], patient: str) -> None:
        """Raises `WrongPatient` unless the row says that it is this patient's (or the section is shared)."""
        if not self.shared and str(row[PATIENT_COLUMN]).strip() != patient.strip():
            raise WrongPatient("the source answered with data of another patient", cause=f"section {self.name}")

    def resource_of(
        self, row: Mapping[str, Any], children: Mapping[str, Mapping[Any, Any]], only: str | None
    ) -> Resource | None:
        """The resource of one row; None when another id is wanted. Raises `RecordError`."""
        given = self.id_of.compute(row)
        if not isinstance(given, str) or not _ID.fullmatch(given):
            raise RecordError(f"{self.type}.id", "no usable id")
        if only is not None and given != only:
            return None
        if self.children:
            found = {name: index.get(_key(row.get(self.children[name].by)), ()) for name, index in children.items()}
            row = {**row, CHILDREN: found}
        meta = {"meta": {"profile": [self.profile]}} if self.profile else {}
        return {"resourceType": self.type, "id": given, **meta, **(self.body.compute(row) or {})}

    @cached_property
    def elements(self) -> Mapping[str, bool]:
        """Per zib element whether the template fills it."""
        if self.zib is None:
            return {}
        filled = dict.fromkeys(self.zib.elements, True)
        return filled | dict.fromkeys(self.zib.missing, False)


@dataclass(frozen=True)
class ZibMapping:
    """A compiled mapping."""

    name: str
    version: FhirVersion
    patient_query: str
    sections: tuple[CompiledSection, ...]
    changed_query: str | None = None

    def answering(self, standard: str, rule: str, resource_type: str) -> tuple[CompiledSection, ...]:
        """The sections for a request row: those that name it, else those of the type that name no row at all."""
        if (standard, rule) == WHO_IT_IS:
            return self.of_type(resource_type)
        named = tuple(one for one in self.sections if (standard, rule) in one.rows and one.type == resource_type)
        return named or tuple(one for one in self.sections if one.type == resource_type and not one.rows)

    def of_type(self, resource_type: str) -> tuple[CompiledSection, ...]:
        """All sections of a type."""
        return tuple(one for one in self.sections if one.type == resource_type)

    def capabilities(self) -> Capabilities:
        """The coverage per request row, from the sections."""
        rows: dict[tuple[str, str], Coverage] = {}
        for section in self.sections:
            level = CoverageLevel.PARTLY if section.partly else CoverageLevel.DELIVERABLE
            for row in section.rows:
                rows[row] = Coverage(level, section.partly or "")
        if any(section.rows for section in self.of_type("Patient")):
            rows[WHO_IT_IS] = Coverage(CoverageLevel.DELIVERABLE)
        types = {(self.version, one.type): Coverage(CoverageLevel.DELIVERABLE) for one in self.sections if not one.rows}
        return Capabilities(rows, types, Coverage(CoverageLevel.NO, "not in the mapping"))


def load_mapping(path: Path, watch: Watch | None = None) -> ZibMapping:
    """Read and compile a mapping file. Raises `AdapterMisconfigured` that names everything that is wrong, by line."""
    text = read_text(path)
    read, faults = parse_mapping(path.name, text, MappingFile)
    try:
        made = compile_mapping(read, watch) if read is not None else None
    except MappingFaults as error:
        made, faults = None, [*faults, *error.faults]
    if made is None or faults:
        raise misconfigured(path.name, text, faults)
    return made


def compile_mapping(read: MappingFile, watch: Watch | None = None) -> ZibMapping:
    """Compile a mapping. ``watch`` is told of every formula that is worked out. Raises `MappingFaults`."""
    known = functions(Terms(read.terms, read.systems))
    sections: list[CompiledSection] = []
    faults: list[MappingFault] = []
    for name, section in read.sections.items():
        place = ("sections", name)
        faults += [*row_faults(section, place, read.version), *element_faults(section, place, read.version)]
        faults += _section_faults(section, place)
        told: list[TemplateError] = []
        maps, systems = frozenset(read.terms), frozenset(read.systems)
        compiler = TemplateCompiler(known, maps, frozenset(section.children), systems, told, watch)
        sections += _compiled(name, section, compiler)
        faults += [MappingFault((*place, "resource", *steps(one.place)[1:]), one.text) for one in told]
    if faults:
        raise MappingFaults(faults)
    return ZibMapping(read.mapping, read.version, read.patient.query, tuple(sections), read.patient.changed)


def _compiled(name: str, section: MappingSection, compiler: TemplateCompiler) -> Iterator[CompiledSection]:
    """The section, unless a formula of it cannot be read."""
    body = dict(section.resource)
    given = body.pop("id", None)
    parts = (compiler.part(body, section.type), compiler.part(given, f"{section.type}.id"))
    if not compiler.faults:
        yield CompiledSection(
            name,
            section.type,
            section.query,
            section.profile,
            frozenset((row.split("/")[0], row.split("/")[1]) for row in section.rows),
            section.partly,
            section.shared,
            section.children,
            section.zib,
            section.resource,
            *parts,
            frozenset(_columns(section.resource)),
        )


def _section_faults(section: MappingSection, place: Steps) -> Iterator[MappingFault]:
    """A resource without an id, or that does not say whose it is; zib elements that point at nothing."""
    if section.resource.get("id") is None:
        yield MappingFault(place, "a resource needs an id")
    owner = _owner_fault(section)
    if owner is not None:
        yield MappingFault(place, owner)
    for element, path in (section.zib.elements if section.zib else {}).items():
        if not coverage.reaches(section.resource, path.split(".")):
            yield MappingFault((*place, "zib", "elements", element), f"there is no {path} in the resource")


def _key(value: Any) -> Any:
    """A value that parent and child rows share: a padded CHAR is the same as one that is not."""
    return value.rstrip() if isinstance(value, str) else value


def _columns(node: Any) -> Iterator[str]:
    """The columns that the formulas of a template read."""
    if isinstance(node, str) and node.startswith("="):
        yield from formula.columns(formula.parse(node[1:]))
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _columns(item)


def _owner_fault(section: MappingSection) -> str | None:
    """A resource of a patient says whose it is; a shared one is of a type that is about nobody."""
    if section.shared:
        fits = OWNERS.may_be_shared(section.type)
        return None if fits else f"{section.type} is about a patient and cannot be shared"
    if section.type in ("Patient", "Binary") or OWNERS.may_be_shared(section.type):
        return None
    names = {path.split(".")[0] for path in OWNERS.elements(section.type)}
    if not names or names.intersection(section.resource):
        return None
    return f"the resource does not say whose it is ({' or '.join(sorted(names))})"
