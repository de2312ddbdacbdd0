"""The texts of the pages: one table per language, looked up by key, filled with names."""

import hashlib
import tomllib
from importlib import resources

LANGUAGES = ("nl", "en")
_EDITION = "2026-11"


def _load(language: str) -> dict[str, dict[str, str]]:
    text = resources.files("auth.pages").joinpath(f"messages/{language}.toml").read_text("utf-8")
    return tomllib.loads(text)


CATALOGUE = {language: _load(language) for language in LANGUAGES}
TEXT_VERSION = f"{_EDITION}-{hashlib.sha256(repr(CATALOGUE).encode()).hexdigest()[:12]}"
"""Changes whenever a text changes (CONS-01)."""


class Texts:
    """The texts of one language, with the names that a page fills in."""

    def __init__(self, language: str, **names: str) -> None:
        self.language = language
        self._table = CATALOGUE[language]
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
