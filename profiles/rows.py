"""The tables of the house: TOML files, read as typed rows. A wrong key or kind is told with the file and its place."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class RowError(ValueError):
    """A table that cannot be read, or that does not have the shape of its rows."""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of typed rows: an unknown key is a fault, not a comment."""


def typed(where: str, table: Any, kind: type[T]) -> T:
    """A table as a typed row. Raises RowError that begins with ``where`` and ends with the key that is wrong."""
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as fault:
        raise RowError(f"{where}: {str(fault).replace(' - at `$.', ' at `')}") from fault


def parsed(where: str, text: str, kind: type[T]) -> T:
    """The text of a TOML table as a typed row. Raises RowError."""
    try:
        return typed(where, tomllib.loads(text), kind)
    except tomllib.TOMLDecodeError as fault:
        raise RowError(f"{where}: {fault}") from fault


def read(path: Path, kind: type[T]) -> T:
    """A TOML file as a typed row. Raises RowError when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise RowError(f"{path}: cannot be read") from fault
    except UnicodeError as fault:
        raise RowError(f"{path}: {fault}") from fault
    return parsed(str(path), text, kind)
