"""The texts of the pages: one table per language, looked up by key, filled with names."""

import hashlib
import tomllib
from collections.abc import Mapping
from importlib import resources

LANGUAGES = ("nl", "en")
_EDITION = "2026-11"


Catalogue = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Language, section and name to a text."""


def read_catalogue(package: str) -> dict[str, dict[str, dict[str, str]]]:
    """The texts of the pages of `package`, from its folder `messages`."""
    folder = resources.files(package).joinpath("messages")
    return {name: tomllib.loads(folder.joinpath(f"{name}.toml").read_text("utf-8")) for name in LANGUAGES}


CATALOGUE = read_catalogue("auth.pages")
TEXT_VERSION = f"{_EDITION}-{hashlib.sha256(repr(CATALOGUE).encode()).hexdigest()[:12]}"
"""Changes whenever a text changes (CONS-01)."""


class Texts:
    """The texts of one language, with the names that a page fills in; other pages than ours bring a catalogue."""

    def __init__(self, language: str, catalogue: Catalogue = CATALOGUE, /, **names: str) -> None:
        self.language = language
        self._table = catalogue[language]
        self._names = names

    def __call__(self, key: str, **more: object) -> str:
        """The text of `section.name`. Raises KeyError for an unknown key or name."""
        section, _, name = key.partition(".")
        return self._table[section][name].format(**{**self._names, **more})


def choose_language(wanted: str | None, accept: str | None) -> str:
    """The language of a page: what was asked, else the first of Accept-Language that exists, else Dutch."""
    if wanted in LANGUAGES:
        return wanted
    for part in (accept or "")[:200].split(","):
        language = part.partition(";")[0].strip().lower()[:2]
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]
