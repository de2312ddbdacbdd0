"""A mapping file for messages: the language of docs/mapping.md, with rows from segments in place of queries."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.mapping.file import StrictLoader
from adapters.mapping.functions import functions
from adapters.mapping.template import Compiler, Part, RecordError, TemplateError
from adapters.mapping.terms import TermMap, Terms
from adapters.port import AdapterMisconfigured
from gateway.intake.hl7v2.message import Message, MessageFault, Row
from gateway.intake.tasks import ID, Push, Task
from profiles.fhir.codec import jsonio
from profiles.fhir.version import FhirVersion

SHIPPED = Path(__file__).parent / "mappings" / "zib2017.yaml"
KEEP_WHOLE = 200_000
"""Longest message that is kept with every resource made of it; of a longer one the mapped resource is kept."""

_STRICT = ConfigDict(extra="forbid", frozen=True)


class Section(BaseModel):
    """One kind of resource that comes out of a message."""

    model_config = _STRICT
    type: str = Field(pattern=r"^[A-Z][A-Za-z]+$")
    rows: Literal["patient", "observation"]
    messages: tuple[str, ...]
    """Types and events: ``ADT^A01``."""

    when: str | None = None
    """A formula: only rows for which it is true."""

    gone: str | None = None
    """A formula: rows for which it is true are deleted."""

    once: bool = False
    """Leave alone what is there already."""

    profile: str | None = None
    resource: dict[str, Any]


class MappingFile(BaseModel):
    """A whole mapping file."""

    model_config = _STRICT
    mapping: str
    version: FhirVersion
    systems: dict[str, str] = Field(default_factory=dict)
    terms: dict[str, TermMap] = Field(default_factory=dict)
    sections: dict[str, Section]

    @model_validator(mode="before")
    @classmethod
    def _without_pieces(cls, value: Any) -> Any:
        return {name: item for name, item in value.items() if name != "pieces"} if isinstance(value, dict) else value


@dataclass(frozen=True, slots=True)
class _Compiled:
    section: Section
    id_of: Part
    body: Part
    when: Part | None
    gone: Part | None


class MessageMapping:
    """A compiled mapping."""

    def __init__(self, read: MappingFile) -> None:
        """Compile. Raises TemplateError."""
        known = functions(Terms(read.terms, read.systems))
        compiler = Compiler(known, frozenset(read.terms))
        self.version = read.version
        self._sections: list[_Compiled] = []
        for name, section in read.sections.items():
            body = dict(section.resource)
            if "id" not in body:
                raise TemplateError(f"sections.{name}", "a resource needs an id")
            parts = [compiler.part(body.pop("id"), f"{section.type}.id"), compiler.part(body, section.type)]
            conditions = [compiler.part(one, f"{name}") if one else None for one in (section.when, section.gone)]
            self._sections.append(_Compiled(section, parts[0], parts[1], conditions[0], conditions[1]))
        self.messages = frozenset(one for each in read.sections.values() for one in each.messages)

    def push(self, message: Message, request_id: str, digest: bytes) -> Push:
        """What a message asks for. Raises MessageFault when it cannot be mapped whole."""
        push = Push(self.version, [], "transaction", request_id, digest)
        made: dict[tuple[str, str], Task] = {}
        unused = 0
        for kind, row in message.rows():
            used = False
            for one in self._sections:
                if one.section.rows == kind and message.kind in one.section.messages:
                    task = self._task(one, row, message)
                    if task is not None:
                        made[task.key] = task
                        used = True
            unused += not used and kind == "observation"
        if unused:
            raise MessageFault("207", f"{unused} OBX with a value type or content that is not mapped")
        if not made:
            raise MessageFault("101", "there is nothing in it that can be taken in: no PID, or no OBX")
        push.tasks.extend(made.values())
        return push

    def _task(self, one: _Compiled, row: Row, message: Message) -> Task | None:
        try:
            if one.when is not None and one.when.compute(row) is not True:
                return None
            id_ = one.id_of.compute(row)
            if not isinstance(id_, str) or not ID.fullmatch(id_):
                raise MessageFault("101", f"{one.section.type}.id: no usable number")
            kind = one.section.type
            if one.gone is not None and one.gone.compute(row) is True:
                return Task("DELETE", kind, id_, place=f"{kind}/{id_}")
            body = one.body.compute(row) or {}
        except RecordError as fault:
            raise MessageFault("102", f"{fault.place}: {fault.text}") from None
        meta = {"meta": {"profile": [one.section.profile]}} if one.section.profile else {}
        resource = {"resourceType": kind, "id": id_, **meta, **body}
        received = (message.raw, "hl7v2") if len(message.raw) <= KEEP_WHOLE else None
        return Task(
            "PUT", kind, id_, resource, jsonio.dump(resource), only_new=one.section.once, place=f"{kind}/{id_}",
            received=received,
        )  # fmt: skip


def load_mapping(path: Path) -> MessageMapping:
    """Read and compile a mapping file. Raises AdapterMisconfigured that names the place."""
    try:
        read = MappingFile.model_validate(yaml.load(path.read_text("utf-8"), StrictLoader))  # noqa: S506 - a SafeLoader
        return MessageMapping(read)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise AdapterMisconfigured(f"mapping {path.name}: {place}: {first['msg']}") from None
    except TemplateError as error:
        raise AdapterMisconfigured(f"mapping {path.name}: {error}") from None
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise AdapterMisconfigured(f"mapping {path.name} cannot be read{where}", cause=error) from error
