"""Base facts read from the model metadata of fhir.resources: order, list or single, types, choices, targets."""

import importlib
import pkgutil
import typing
import uuid
from collections.abc import Iterator
from typing import Any

from profiles.fhir.tables.lines import FactsTable, TypeTable, write_line
from profiles.fhir.version import FhirVersion

PACKAGES = {FhirVersion.STU3: "fhir.resources.STU3", FhirVersion.R4: "fhir.resources.R4B"}
"""R4B is the nearest the library has to R4 4.0.1; the corrections hold the differences."""

_NOT_TYPES = {"fhirtypes", "fhirresourcemodel", "fhirprimitiveextension", "metadataresource"}
_PLAIN = {bool: "boolean", uuid.UUID: "uuid"}
_STEMS = {"Element": None, "Resource": None}


def library_table(version: FhirVersion) -> FactsTable:
    """The facts of all data and resource types of the library. It says nothing of primitives, codes and maxima."""
    classes = {cls.__name__: cls for cls in _classes(PACKAGES[version])}
    tops = [name for name, cls in classes.items() if cls.__module__.rpartition(".")[2] == name.lower()]
    paths = {name: name for name in tops}
    for name in sorted(tops):
        _name_backbones(classes, paths, name)
    types = {paths[name]: _type(classes, paths, name) for name in classes if name in paths}
    return FactsTable(open=[], codes={}, types=dict(sorted(types.items())))


def _classes(package: str) -> Iterator[Any]:
    folder = importlib.import_module(package)
    for module in pkgutil.iter_modules(folder.__path__):
        if module.name in _NOT_TYPES or module.ispkg:
            continue
        loaded = importlib.import_module(f"{package}.{module.name}")
        for cls in vars(loaded).values():
            if isinstance(cls, type) and cls.__module__ == loaded.__name__ and hasattr(cls, "elements_sequence"):
                yield cls


def _name_backbones(classes: dict[str, Any], paths: dict[str, str], name: str) -> None:
    """Find the path at which each backbone class is defined: the one that its name is made of."""
    for field, _ in _fields(classes[name]):
        inner = _shape(field)[0]
        path = f"{paths[name]}.{field.alias}"
        if inner in classes and inner not in paths and _camel(path) == inner.lower():
            paths[inner] = path
            _name_backbones(classes, paths, inner)


def _camel(path: str) -> str:
    return path.replace(".", "").lower()


def _fields(cls: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The fields in the order of the specification, with what the library knows of them."""
    known = {field.alias: field for field in cls.model_fields.values()}
    for alias in cls.elements_sequence():
        yield known[alias], known[alias].json_schema_extra or {}


def _type(classes: dict[str, Any], paths: dict[str, str], name: str) -> TypeTable:
    cls = classes[name]
    bases = [base.__name__ for base in cls.__mro__[1:]]
    base = None if name in _STEMS else next((one for one in bases if one in classes), None)
    kind = "backbone" if "." in paths[name] else "resource" if "Resource" in (name, *bases) else "complex"
    return TypeTable(kind=kind, base=base, elements=list(_lines(classes, paths, name)))


def _lines(classes: dict[str, Any], paths: dict[str, str], name: str) -> Iterator[str]:
    choices: dict[str, dict[str, list[str]]] = {}
    lines: dict[str, tuple[int, str, dict[str, list[str]], str | None]] = {}
    for field, extra in _fields(classes[name]):
        inner, many = _shape(field)
        targets = [one for one in extra.get("enum_reference_types", []) if one != "Resource"]
        required = bool(extra.get("element_required") or extra.get("one_of_many_required") or field.is_required())
        choice = extra.get("one_of_many")
        label = f"{choice}[x]" if choice else str(field.alias)
        path = paths.get(inner, inner)
        here = f"{paths[name]}.{field.alias}"
        content = path if "." in path and path != here else None
        found = choices.setdefault(label, {})
        found[path] = targets
        lines[label] = (int(required), "*" if many else "1", found, content)
    for label, (low, high, found, content) in lines.items():
        types = ["*"] if len(found) > 30 else list(found)
        yield write_line(label, low, high, types, found, None, content)


def _shape(field: Any) -> tuple[str, bool]:
    """The type name of a field and whether it is a list."""
    many = False
    waiting = [field.annotation, *field.metadata]
    while waiting:
        type_ = waiting.pop(0)
        if type_ is type(None) or type_ is None:
            continue
        if hasattr(type_, "_model_klass"):
            return type_._model_klass.rpartition(".")[2], many
        if type_ in _PLAIN:
            return _PLAIN[type_], many
        origin = typing.get_origin(type_)
        if origin is list:
            many = True
        if origin is not None:
            waiting = [*_arguments(type_), *waiting]
        elif type(type_).__module__ == "fhir_core.types":
            plain = type(type_).__name__
            return plain[0].lower() + plain[1:], many
    raise TypeError(f"cannot read the type of {field!r}")


def _arguments(annotation: Any) -> list[Any]:
    found = list(typing.get_args(annotation))
    return found + list(getattr(annotation, "__metadata__", ()))
