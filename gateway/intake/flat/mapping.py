"""A mapping of flat files: the language of docs/mapping.md, with lines of files in place of queries."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.mapping.compiled import CompiledSection, compile_mapping
from adapters.mapping.explain import ElementOrigin, explained
from adapters.mapping.faults import MappingFault, MappingFaults, misconfigured
from adapters.mapping.file import MappingFile, MappingSection, Patient, parse_mapping, read_text
from adapters.mapping.functions import functions
from adapters.mapping.names import nearest
from adapters.mapping.template import Part, TemplateCompiler, TemplateError
from adapters.mapping.terms import Terms

_STRICT = ConfigDict(extra="forbid", frozen=True)


class FlatFormat(BaseModel):
    """How files of one kind are written."""

    model_config = _STRICT
    name: str = Field(description="which files: a pattern, as lab-*.csv; capitals do not count")
    format: Literal["csv", "fixed"] = "csv"
    encoding: Literal["utf-8", "windows-1252", "iso-8859-1", "utf-16"] = "utf-8"
    delimiter: str = Field(";", min_length=1, max_length=1)
    quote: str = Field('"', min_length=1, max_length=1)
    columns: dict[str, str] = {}
    """Of a CSV: the name that formulas use, and the head of the column. Without: the head, in small letters and _."""
    places: dict[str, tuple[int, int]] = {}
    """Of fixed width: the first and last position of each column, counted from 1."""
    trailer: str = ""
    """How the last line begins, when there is one that says that the file is whole."""

    @field_validator("columns", "places")
    @classmethod
    def _words(cls, value: dict[str, object]) -> dict[str, object]:
        wrong = [one for one in value if not one.isidentifier() or not one.isascii()]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not a name that a formula can use")
        return value

    @model_validator(mode="after")
    def _complete(self) -> "FlatFormat":
        if (self.format == "fixed") != bool(self.places):
            raise ValueError("places and format: fixed go together")
        if any(not 1 <= first <= last for first, last in self.places.values()):
            raise ValueError("a place is [first, last], counted from 1")
        return self


class FlatSection(MappingSection):
    """One kind of resource: one for each line of a file for which ``when`` is true."""

    query: str = "select :patient"
    """Not used: the rows are the lines."""
    file: str
    when: str | None = None
    gone: str | None = None
    """A formula: the resource is deleted."""


class FlatMappingFile(MappingFile):
    """A whole mapping of flat files."""

    patient: Patient = Patient(query="select :bsn")
    files: dict[str, FlatFormat]
    sections: dict[str, FlatSection]  # type: ignore[assignment]  # narrower, and never changed


class FlatPart:
    """A section, compiled, and where in it each column is used."""

    def __init__(self, section: FlatSection, made: CompiledSection, when: Part | None, gone: Part | None) -> None:
        self.file = section.file
        self.made = made
        self.when = when
        self.gone = gone
        self._elements = [one for one in explained(made) if one.columns]

    def origin(self, place: str) -> ElementOrigin | None:
        """What fills an element: of ``Observation.valueQuantity.value``, the formula there, or near it."""
        plain = place.removeprefix(f"{self.made.type}.")
        found = [one for one in self._elements if one.path == plain]
        near = [one for one in self._elements if one.path.startswith(plain) or plain.startswith(one.path)]
        return next(iter(found or near), None)


class FlatMapping:
    """A compiled mapping of flat files."""

    def __init__(self, read: FlatMappingFile) -> None:
        """Compile. Raises MappingFaults with everything that is wrong."""
        faults = [
            MappingFault(("sections", name, "file"), f"there is no file {one.file!r}{nearest(one.file, read.files)}")
            for name, one in read.sections.items()
            if one.file not in read.files
        ]
        try:
            made = {one.name: one for one in compile_mapping(read).sections}
        except MappingFaults as fault:
            raise MappingFaults([*faults, *fault.faults]) from None
        compiler = TemplateCompiler(functions(Terms(read.terms, read.systems)), frozenset(read.terms))
        self.version = read.version
        self.files = read.files
        self.parts: list[FlatPart] = []
        for name, section in read.sections.items():
            conditions: list[Part | None] = []
            for key in ("when", "gone"):
                text = getattr(section, key)
                try:
                    conditions.append(compiler.part(text, name) if text else None)
                except TemplateError as fault:
                    faults.append(MappingFault(("sections", name, key), fault.text))
            if len(conditions) == 2:
                self.parts.append(FlatPart(section, made[name], conditions[0], conditions[1]))
        if faults:
            raise MappingFaults(faults)

    def kind(self, name: str) -> str:
        """The kind of a file, by its name; empty when there is none."""
        return next((kind for kind, one in self.files.items() if fnmatch(name.lower(), one.name.lower())), "")

    def of(self, kind: str) -> list[FlatPart]:
        """The sections that are made of a kind of file, in their order."""
        return [one for one in self.parts if one.file == kind]


def load_flat(path: Path) -> FlatMapping:
    """Read and compile a mapping of flat files. Raises AdapterMisconfigured that names everything, by line."""
    text = read_text(path)
    read, faults = parse_mapping(path.name, text, FlatMappingFile)
    try:
        made = FlatMapping(read) if read is not None else None
    except MappingFaults as error:
        made, faults = None, [*faults, *error.faults]
    if made is None or faults:
        raise misconfigured(path.name, text, faults)
    return made
