"""TOML tables under check: each mistake is told with the file and the row."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar


class StandardError(ValueError):
    """A folder of a standard that cannot be used; the text names file and row."""


T = TypeVar("T")


@dataclass
class Row:
    """A TOML table under check: every key is taken once, what is left over is a mistake."""

    where: str
    table: dict[str, Any]

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """Take a value of a kind; without a default it must be there."""
        value = self.table.pop(key, default)
        if value is None:
            raise StandardError(f"{self.where}: {key} is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise StandardError(f"{self.where}: {key} must be {kind.__name__}, not {type(value).__name__}")
        return value

    def texts(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """Take a list of texts."""
        value = self.take(key, list, [] if default is None else default)
        if not all(isinstance(one, str) and one for one in value):
            raise StandardError(f"{self.where}: {key} must be a list of texts")
        return tuple(value)

    def choice(self, key: str, options: Sequence[str], default: str | None = None) -> str:
        """Take a text that is one of the options."""
        value = self.take(key, str, default)
        if value not in options:
            raise StandardError(f"{self.where}: {key} is {value}; it must be one of {', '.join(options)}")
        return value

    def done(self) -> None:
        """Refuse what is left over."""
        if self.table:
            raise StandardError(f"{self.where}: unknown key {', '.join(sorted(self.table))}")


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file; StandardError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StandardError(f"{path}: cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise StandardError(f"{path}: {error}") from error


def text_map(where: str, table: Mapping[str, Any]) -> dict[str, str]:
    """A table in which every value is a text."""
    for key, value in table.items():
        if not isinstance(value, str):
            raise StandardError(f"{where}: {key} must be a text")
    return dict(table)
