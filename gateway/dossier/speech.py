"""In which language a dossier is told: Dutch, unless a page says otherwise for the time that it makes one.

What a source wrote (names, titles of codes, free text) stays as it wrote it; what is said around it is translated.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from auth.pages.catalogue import Texts, read_catalogue
from profiles.rows import read

CATALOGUE = read_catalogue("gateway.dossier")
_LANGUAGE: ContextVar[str] = ContextVar("gateway_dossier_language", default="nl")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Everything of a dossier that is made here is in this language, nl or en."""
    token = _LANGUAGE.set(language)
    try:
        yield
    finally:
        _LANGUAGE.reset(token)


def language() -> str:
    """What is spoken now, nl or en."""
    return _LANGUAGE.get()


def in_dutch() -> bool:
    """Whether that is Dutch."""
    return language() == "nl"


def said(key: str, **names: object) -> str:
    """A text of the catalogue, with its names filled in. Raises KeyError for an unknown key."""
    return Texts(_LANGUAGE.get(), CATALOGUE)(f"dossier.{key}", **names)


def label(dutch: str, kind: str = "labels") -> str:
    """A label, a word for a code or a unit (``labels``, ``codes``, ``units``) of our tables; Dutch without another."""
    return dutch if in_dutch() else _english()[kind].get(dutch, dutch)


@lru_cache(maxsize=1)
def _english() -> Mapping[str, Mapping[str, str]]:
    return read(Path(__file__).parent / "english.toml", dict[str, dict[str, str]])
