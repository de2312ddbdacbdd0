"""gateway lists: the national lists, as they are in use and as their source has them now."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from auth.clients.copies import Copies
from auth.clients.lists import ALARM_AGE, CLOSING_AGE, Copy, CurrentLists
from auth.clients.model import AnyList, ListKind
from auth.clients.notices import Notice, Notify
from auth.clients.open import NoSource, open_source
from auth.clients.pull import Puller
from auth.clients.sources import FilesSource, ListSource
from gateway.cli.context import FINDINGS, as_json, as_served, console, emit, fail, with_settings
from gateway.registration import registration_alarms
from gateway.settings import Settings
from gateway.wiring import registered

_NAMES = {
    "whitelist": ListKind.WHITELIST,
    "clients": ListKind.CLIENTS,
    "providers": ListKind.PROVIDERS,
    "names": ListKind.NAMES,
}


@click.group()
def lists() -> None:
    """The national lists: whitelist, clients, providers, names of data services."""


@lists.command()
@click.argument("name", type=click.Choice(sorted(_NAMES)), required=False)
@as_json
@with_settings
def show(settings: Settings, name: str | None, as_json: bool) -> None:
    """Show the lists that a start would use now, or the entries of one of them.

    Exit code 1 when a list is missing, damaged or too old.
    """
    desk = _Desk(settings)
    desk.load()
    view = desk.lists.view()
    if name is not None:
        _show_one(view.get(_NAMES[name]), as_json)
    elif as_json:
        emit({"source": desk.source.name, "lists": _rows(view), "notices": desk.facts()})
    else:
        console.print(f"source: {desk.source.name}", highlight=False, markup=False, soft_wrap=True)
        for row in _rows(view):
            console.print(_line(row), highlight=False, markup=False, soft_wrap=True)
        desk.print_notices()
    _end(desk, view)


@lists.command()
@as_json
@with_settings
def check(settings: Settings, as_json: bool) -> None:
    """Fetch every list, judge it against the copy in use, and compare our registration with our configuration.

    Nothing is taken into use.
    """
    desk = _Desk(settings)
    desk.load(node_only=True)
    asyncio.run(Puller(desk.lists, desk.source, None, notify=desk.take).refresh())
    desk.notices += registration_alarms(registered(desk.settings), desk.lists)
    _report(desk, as_json)


@lists.command()
@as_json
@with_settings
def refresh(settings: Settings, as_json: bool) -> None:
    """Fetch every list, keep what is valid and in sequence, and say what changed.

    A gateway that runs takes the kept copies at its next start; it fetches for itself by its own schedule.
    """
    desk = _Desk(settings)
    desk.load(node_only=True)
    asyncio.run(Puller(desk.lists, desk.source, desk.copies, notify=desk.take).refresh())
    _report(desk, as_json)


class _Desk:
    """What the three commands share: the source, the copies, the lists in this process and the notices so far."""

    def __init__(self, given: Settings) -> None:
        self.settings = settings = as_served(given)
        try:
            self.source: ListSource = open_source(settings.lists, settings.tls)
        except NoSource as error:
            fail(str(error))
        self.notices: list[Notice] = []
        self.take: Notify = self.notices.append
        self.copies = (
            None if isinstance(self.source, FilesSource) else Copies(settings.lists.copies, self.source.name, self.take)
        )
        self.lists = CurrentLists(self.take)

    def load(self, node_only: bool = False) -> None:
        """Take what a start would take: the kept copies of a node, the files of a folder."""
        if self.copies is not None:
            self.lists.restore(self.copies.load())
        elif not node_only:
            asyncio.run(Puller(self.lists, self.source, None, notify=self.take).refresh())
            self.notices[:] = [notice for notice in self.notices if notice.alarm]

    def facts(self) -> list[dict[str, Any]]:
        """The notices for JSON."""
        return [
            {
                "type": notice.type.value,
                "list": notice.kind.value,
                "number": notice.number,
                "alarm": notice.alarm,
                "text": notice.text,
            }
            for notice in self.notices
        ]

    def print_notices(self) -> None:
        """The notices for people."""
        for notice in self.notices:
            mark = "ALARM" if notice.alarm else "news"
            text = f"{mark:5} {notice.kind.value}: {notice.type.value}: {notice.text}"
            console.print(text, highlight=False, markup=False, soft_wrap=True)


def _rows(view: Mapping[ListKind, Copy]) -> list[dict[str, Any]]:
    return [_row(kind, view.get(kind)) for kind in ListKind]


def _row(kind: ListKind, copy: Copy | None) -> dict[str, Any]:
    if copy is None:
        return {"list": kind.value, "present": False}
    age = datetime.now(UTC) - copy.confirmed
    heading = copy.content.heading
    state = "unusable" if age > CLOSING_AGE else "old" if age > ALARM_AGE else "fresh"
    return {
        "list": kind.value,
        "present": True,
        "number": heading.number,
        "release": heading.release,
        "issued": heading.issued.isoformat(),
        "entries": len(copy.content),
        "confirmed": copy.confirmed.isoformat(timespec="seconds"),
        "age_seconds": max(0, int(age.total_seconds())),
        "state": state,
    }


def _line(row: Mapping[str, Any]) -> str:
    if not row["present"]:
        return f"{row['list']:26} no copy"
    return (
        f"{row['list']:26} {row['state']}, number {row['number']}, release {row['release']}, {row['entries']} entries\n"
        f"{'':26} issued {row['issued']}, {row['age_seconds']} s ago"
    )


def _show_one(copy: Copy | None, as_json: bool) -> None:
    if copy is None:
        fail("there is no copy of this list", FINDINGS)
    if as_json:
        emit({key: _plain(entry) for key, entry in copy.content.items()})
        return
    for key in copy.content:
        console.print(_sentence(copy.content, key), highlight=False, markup=False, soft_wrap=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def _sentence(content: AnyList, key: str) -> str:
    entry = _plain(content[key])
    if content.kind is ListKind.CLIENTS:
        services = "services not stated" if entry["services"] is None else f"services {', '.join(entry['services'])}"
        return f"{key}  {entry['organisation']}  ({services})"
    if content.kind is ListKind.PROVIDERS:
        offers = [f"interface {version}: {', '.join(services)}" for version, services in entry["interfaces"].items()]
        return f"{key}  {entry['kind'] or '-'}  ({'; '.join(offers)})"
    return f"{key}  {entry}" if content.kind is ListKind.NAMES else key


def _report(desk: _Desk, as_json: bool) -> None:
    view = desk.lists.view()
    if as_json:
        emit({"source": desk.source.name, "lists": _rows(view), "notices": desk.facts()})
    else:
        desk.print_notices()
        for row in _rows(view):
            console.print(_line(row), highlight=False, markup=False, soft_wrap=True)
    _end(desk, view)


def _end(desk: _Desk, view: Mapping[ListKind, Copy]) -> None:
    missing = any(kind not in view for kind in ListKind)
    stale = any(row.get("state") == "unusable" for row in _rows(view))
    if missing or stale or any(notice.alarm for notice in desk.notices):
        raise SystemExit(FINDINGS)
