"""Holding an exported AuditEvent to what IHE BALP asks: by a table of our own, so that none claims what it is not."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from profiles.rows import Row, read

REST = "http://terminology.hl7.org/CodeSystem/audit-event-type|rest"


class BalpSlice(Row, frozen=True):
    """``[[profile.slice]]``: the elements of a list that have a coding as their type."""

    list: Literal["agent", "entity"]
    code: str
    least: int
    most: int
    needs: tuple[str, ...]
    never: tuple[str, ...]
    role: str = ""


class BalpProfile(Row, frozen=True):
    """``[[profile]]`` of balp.toml."""

    name: str
    url: str
    action: str
    subtypes: tuple[str, ...]
    agents: int
    entities: int
    slice: tuple[BalpSlice, ...]


class BalpTable(Row, frozen=True):
    """balp.toml."""

    profile: tuple[BalpProfile, ...]


@cache
def table() -> Sequence[BalpProfile]:
    """The profiles that are known here."""
    return read(Path(__file__).with_name("balp.toml"), BalpTable).profile


def profile_of(event: Mapping[str, Any]) -> BalpProfile | None:
    """The profile for an event: a success, about a person, by its deed; None when BALP has none that is known here."""
    codes = {str(one.get("code")) for one in event.get("subtype", ())}
    about = any(_coding(one) == f"{_KINDS}|1" for one in event.get("entity", ()))
    if event.get("outcome") != "0" or not about:
        return None
    fits = (one for one in table() if one.action == event.get("action") and not codes.isdisjoint(one.subtypes))
    return next(fits, None)


_KINDS = "http://terminology.hl7.org/CodeSystem/audit-entity-type"


def faults(event: Mapping[str, Any], profile: BalpProfile) -> list[str]:
    """What an event lacks to be what a profile asks; empty when nothing."""
    return list(_faults(event, profile))


def _faults(event: Mapping[str, Any], profile: BalpProfile) -> Iterator[str]:
    kind = event.get("type", {})
    if f"{kind.get('system')}|{kind.get('code')}" != REST:
        yield "type: not a RESTful operation"
    for name in ("recorded", "source"):
        if name not in event:
            yield f"{name}: missing"
    for name, least in (("agent", profile.agents), ("entity", profile.entities)):
        if len(event.get(name, ())) < least:
            yield f"{name}: fewer than {least}"
    for part in profile.slice:
        those = [one for one in event.get(part.list, ()) if _coding(one) == part.code]
        if not part.least <= len(those) <= part.most:
            yield f"{part.list} {part.code}: {len(those)} times, not {part.least} to {part.most}"
        for one in those:
            yield from (f"{part.list} {part.code}: no {name}" for name in part.needs if name not in one)
            yield from (f"{part.list} {part.code}: has {name}" for name in part.never if name in one)
            role = one.get("role", {})
            if part.role and f"{role.get('system')}|{role.get('code')}" != part.role:
                yield f"{part.list} {part.code}: another role"


def _coding(element: Mapping[str, Any]) -> str:
    """The first coding of the type of an agent (a concept) or an entity (a Coding)."""
    kind = element.get("type", {})
    coded = kind.get("coding", [kind])[0] if isinstance(kind, dict) else {}
    return f"{coded.get('system', '')}|{coded.get('code', '')}"
