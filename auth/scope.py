"""The three dialects of scope (section 8 of the agreement), parsed and printed. No regex here can backtrack.

    collect-C   ziekenhuis                          one provider name, perhaps with a kind of representation
    collect-M   ziekenhuis~48 ziekenhuis~65         combinations of one provider
    share       ziekenhuis~53                       one combination; the catalogue says it is a share service
    subscribe   subscribe~180/ziekenhuis~42
    collect-L   48                                  on a path that names the provider

Parsing knows the grammar only. Whether the provider and the services exist is decided in auth.flows.authorize.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from auth.ports import Representation

MAX_SCOPE = 1024
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-&.][a-z][a-z0-9]*)*")
_FIVE_DIGITS = re.compile(r"[0-9]{5}")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,29}")
_BARE_SERVICE = re.compile(r"[0-9]{1,30}")
_DAYS = re.compile(r"0|[1-9][0-9]{0,5}")
_NAME_LIMIT = 57
_SUBSCRIBE = "subscribe~"


class ScopeError(ValueError):
    """A scope that no grammar knows. The text holds nothing that was received."""


class Dialect(StrEnum):
    """Request dialects (VER-04)."""

    L = "L"
    M = "M"
    C = "C"


class ScopeKind(StrEnum):
    """What the grammar alone can tell about a scope."""

    PROVIDER = "provider"
    """All collect services of a provider (dialect C)."""
    COMBINATIONS = "combinations"
    """Named services; collect or share is for the catalogue to say (SCOPE-07)."""
    SUBSCRIBE = "subscribe"


@dataclass(frozen=True, slots=True)
class ScopeAsk:
    """A parsed scope."""

    kind: ScopeKind
    dialect: Dialect
    provider: str
    services: tuple[str, ...] = ()
    """Asked service ids in order; empty for Kind.PROVIDER."""
    representation: Representation | None = None
    days: int | None = None


def is_name(text: str) -> bool:
    """True for a provider name without suffix, in lower case (LIST-14)."""
    return len(text) <= _NAME_LIMIT and _NAME.fullmatch(text) is not None and _FIVE_DIGITS.search(text) is None


def parse(text: str) -> ScopeAsk:
    """Read a scope of dialect C or M. Raises ScopeError."""
    if not text or len(text) > MAX_SCOPE:
        raise ScopeError("the scope is empty or too long")
    if text.startswith(_SUBSCRIBE):
        return _subscribe(text.removeprefix(_SUBSCRIBE))
    parts = text.split(" ")
    if "~" in parts[0]:
        return _combinations(parts)
    return _provider(parts)


def parse_legacy(text: str, provider: str) -> ScopeAsk:
    """Read a scope of dialect L: one bare service id; the path names the provider. Raises ScopeError."""
    if _BARE_SERVICE.fullmatch(text) is None:
        raise ScopeError("the scope is not one service id")
    return ScopeAsk(ScopeKind.COMBINATIONS, Dialect.L, provider, (text,))


def granted(ask_dialect: Dialect, provider: str, services: Iterable[str], days: int | None = None) -> str:
    """The scope of a token response (SCOPE-09, SUB-04); services in a stable order."""
    ordered = sorted(services, key=lambda service: (len(service), service))
    if ask_dialect is Dialect.L:
        return " ".join(ordered)
    combos = " ".join(f"{provider}~{service}" for service in ordered)
    return combos if days is None else f"{_SUBSCRIBE}{days}/{combos}"


def _provider(parts: list[str]) -> ScopeAsk:
    name, *rest = parts
    if not is_name(name) or len(rest) > 1:
        raise ScopeError("the scope is not a provider name")
    kind: Representation | None = None
    if rest:
        if rest[0] not in set(Representation):
            raise ScopeError("the scope has a part that does not exist")
        kind = Representation(rest[0])
    return ScopeAsk(ScopeKind.PROVIDER, Dialect.C, name, representation=kind)


def _combinations(parts: list[str]) -> ScopeAsk:
    pairs = [_combo(part) for part in parts]
    names = {name for name, _ in pairs}
    services = tuple(service for _, service in pairs)
    if len(names) != 1 or len(set(services)) != len(services):
        raise ScopeError("the scope mixes providers or repeats a service")
    return ScopeAsk(ScopeKind.COMBINATIONS, Dialect.M, names.pop(), services)


def _subscribe(text: str) -> ScopeAsk:
    days, slash, combo = text.partition("/")
    if not slash or _DAYS.fullmatch(days) is None:
        raise ScopeError("the number of days is not well-formed")
    name, service = _combo(combo)
    return ScopeAsk(ScopeKind.SUBSCRIBE, Dialect.C, name, (service,), days=int(days))


def _combo(text: str) -> tuple[str, str]:
    name, tilde, service = text.partition("~")
    if not tilde or not is_name(name) or _SERVICE.fullmatch(service) is None:
        raise ScopeError("the scope is not a combination of provider and service")
    return name, service
