"""The mapping file as it stands in YAML, checked for shape."""

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from adapters.mapping.faults import MappingFault
from adapters.mapping.terms import TermMap
from adapters.port import AdapterMisconfigured
from profiles.fhir.version import FhirVersion

_STRICT = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
_BIND = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_QUOTED = re.compile(r"'(?:[^']|'')*'")


def binds(query: str) -> set[str]:
    """The parameters of a query, those inside quoted text left out."""
    return set(_BIND.findall(_QUOTED.sub("''", query)))


def check_query(query: str, parameter: str) -> str:
    """One reading statement with exactly this parameter, or ValueError."""
    bare = _QUOTED.sub("''", query).strip().rstrip(";")
    if not re.match(r"(select|with|exec|execute|call)\b", bare, re.IGNORECASE):
        raise ValueError("a query starts with select or with, or calls a stored procedure (exec, call)")
    if ";" in bare:
        raise ValueError("one query, not several")
    if binds(query) != {parameter}:
        raise ValueError(f"a query has :{parameter} as its one parameter")
    return query.strip().rstrip(";")


class Patient(BaseModel):
    """How a person is found: a query by ``:bsn`` that gives ``patient_id`` and, if known, ``birth_date``.

    ``changed`` is a query by ``:patient`` that gives ``changed``: another value after every change of their data.
    """

    model_config = _STRICT
    query: str
    changed: str | None = None

    @field_validator("query")
    @classmethod
    def _by_bsn(cls, value: str) -> str:
        return check_query(value, "bsn")

    @field_validator("changed")
    @classmethod
    def _by_patient(cls, value: str | None) -> str | None:
        return None if value is None else check_query(value, "patient")


class Children(BaseModel):
    """Rows that go with a row of the section: a query by ``:patient``, and the column that both have in common."""

    model_config = _STRICT
    query: str
    by: str

    @field_validator("query")
    @classmethod
    def _by_patient(cls, value: str) -> str:
        return check_query(value, "patient")


class Zib(BaseModel):
    """Which element of the zib is where in the resource, and which are missing, with the reason."""

    model_config = _STRICT
    name: str
    elements: dict[str, str] = Field(default_factory=dict)
    missing: dict[str, str] = Field(default_factory=dict)


class MappingSection(BaseModel):
    """One kind of resource: where its rows come from, and what becomes of a row."""

    model_config = _STRICT
    type: str = Field(pattern=r"^[A-Z][A-Za-z]+$")
    query: str
    resource: dict[str, Any]
    profile: str | None = None
    rows: tuple[str, ...] = ()
    """Request rows that this section answers, as ``standard/rule``. Without any: every row of the type."""

    partly: str | None = None
    """What is missing when the rows can only partly be delivered."""

    shared: bool = False
    """About nobody in particular (practitioners, organisations): the rows need no ``patient_id``."""

    children: dict[str, Children] = Field(default_factory=dict, alias="with")
    zib: Zib | None = None

    @field_validator("query")
    @classmethod
    def _by_patient(cls, value: str) -> str:
        return check_query(value, "patient")

    @field_validator("rows")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(one.count("/") != 1 for one in value):
            raise ValueError("a row is written as standard/rule")
        return value


class MappingFile(BaseModel):
    """A whole mapping file."""

    model_config = _STRICT
    mapping: str
    version: FhirVersion
    systems: dict[str, str] = Field(default_factory=dict)
    terms: dict[str, TermMap] = Field(default_factory=dict)
    patient: Patient
    sections: dict[str, MappingSection]

    @model_validator(mode="before")
    @classmethod
    def _without_pieces(cls, value: Any) -> Any:
        """``pieces`` only holds YAML anchors; what refers to them has their content already."""
        return {name: item for name, item in value.items() if name != "pieces"} if isinstance(value, dict) else value


F = TypeVar("F", bound=MappingFile)


class StrictLoader(yaml.CSafeLoader):
    """YAML without surprises: a key twice is an error, dates and yes/no stay text."""


def _mapping(loader: StrictLoader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    merged = [key for key, _ in node.value if key.tag == "tag:yaml.org,2002:merge"]
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value if key not in merged]
    double = next((key for index, key in enumerate(keys) if key in keys[:index]), None)
    if double is not None:
        raise yaml.constructor.ConstructorError(None, None, f"{double!r} is given twice", node.start_mark)
    loader.flatten_mapping(node)
    return yaml.constructor.SafeConstructor.construct_mapping(loader, node, deep=deep)


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":value", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])


def read_text(path: Path) -> str:
    """The text of a mapping file. Raises `AdapterMisconfigured`."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise AdapterMisconfigured(f"mapping {path.name} cannot be read", cause=error) from error


def parse_mapping(name: str, text: str, model: type[F]) -> tuple[F | None, list[MappingFault]]:
    """A mapping, checked for the shape of ``model``, and its faults; sections that have one are left out. None: too
    little is right.

    Raises `AdapterMisconfigured` for what is no YAML.
    """
    try:
        raw = yaml.load(text, StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None)
        words = f"mapping {name} cannot be read{where}{f': {why}' if why else ''}"
        raise AdapterMisconfigured(words, cause=error) from error
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
    faults = [MappingFault(one["loc"], one["msg"].removeprefix("Value error, ")) for one in found]
    broken = {one.place[1] for one in faults if one.place[:1] == ("sections",) and len(one.place) > 1}
    if any(one.place[:1] != ("sections",) or len(one.place) < 2 for one in faults):
        return None, faults
    sections = {key: value for key, value in raw["sections"].items() if key not in broken}
    return model.model_validate({**raw, "sections": sections}), faults
