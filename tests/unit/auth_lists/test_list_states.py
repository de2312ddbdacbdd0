"""Which copy is in use, how old it is, and what is told about it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from unit.auth_lists import listdocs as docs

from auth.clients.diff import differences
from auth.clients.lists import Copy, CurrentLists
from auth.clients.model import AnyList, ListKind
from auth.clients.notices import Notice, NoticeType
from auth.clients.parse import parse

WHL, OCL, ZAL, GNL = ListKind.WHITELIST, ListKind.CLIENTS, ListKind.PROVIDERS, ListKind.NAMES


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_(self, **units: float) -> None:
        self.time += timedelta(**units)


class World:
    """Lists in use with a clock and an ear."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.heard: list[Notice] = []
        self.lists = CurrentLists(self.heard.append, self.clock)

    def offer(self, *data: tuple[ListKind, bytes]) -> list[NoticeType]:
        """Offer lists; the types of the notices that came of it, news of change left out."""
        self.heard.clear()
        self.lists.offer(parse(kind, document) for kind, document in data)
        return [notice.type for notice in self.heard if notice.type is not NoticeType.CHANGED]

    def watch(self) -> list[tuple[NoticeType, ListKind]]:
        self.heard.clear()
        self.lists.watch()
        return [(notice.type, notice.kind) for notice in self.heard]


ALL = ((WHL, docs.whitelist()), (OCL, docs.clients()), (ZAL, docs.providers()), (GNL, docs.names()))


@pytest.fixture
def world() -> World:
    return World()


def test_before_the_first_copy_nobody_gets_in(world: World) -> None:
    assert not world.lists.whitelist.holds(docs.PGO)
    assert world.lists.clients.find(docs.PGO) is None
    assert world.lists.names.find("48") is None
    assert not world.lists.state.usable()


def test_a_first_copy_of_any_number_is_taken(world: World) -> None:
    """LIST-06."""
    assert world.offer(*ALL) == []
    assert world.lists.whitelist.holds(docs.PGO)
    assert world.lists.names.find("48") == "Verzamelen Basisgegevens zorg 3.0"
    assert world.lists.state.usable()


def test_the_next_number_takes_the_place(world: World) -> None:
    """LIST-06, CT-75: a host that is gone from the next list is gone at once."""
    world.offer((WHL, docs.whitelist(number="7")))
    assert world.offer((WHL, docs.whitelist([docs.MAP], number="8"))) == []
    assert not world.lists.whitelist.holds(docs.PGO)
    assert world.lists.whitelist.holds(docs.MAP)


def test_a_lower_number_is_refused_with_an_alarm(world: World) -> None:
    """LIST-06, CT-99."""
    world.offer((WHL, docs.whitelist(number="7")))
    assert world.offer((WHL, docs.whitelist([docs.MAP], number="6"))) == [NoticeType.ROLLED_BACK]
    assert world.heard[0].alarm
    assert world.lists.whitelist.holds(docs.PGO)


def test_the_same_number_is_no_change(world: World) -> None:
    """LIST-06: whatever blanks and comments the document has."""
    world.offer((WHL, docs.whitelist()))
    before = world.lists.whitelist
    assert world.offer((WHL, docs.whitelist(before="<!-- again -->"))) == []
    assert world.lists.whitelist is before


def test_the_same_number_with_other_content_is_refused_with_an_alarm(world: World) -> None:
    world.offer((WHL, docs.whitelist()))
    assert world.offer((WHL, docs.whitelist([docs.MAP]))) == [NoticeType.NUMBER_REUSED]
    assert world.lists.whitelist.holds(docs.PGO)


def test_a_jump_is_accepted_with_a_warning(world: World) -> None:
    """LIST-06."""
    world.offer((WHL, docs.whitelist(number="7")))
    assert world.offer((WHL, docs.whitelist([docs.MAP], number="9"))) == [NoticeType.NUMBER_JUMPED]
    assert not world.heard[0].alarm
    assert not world.lists.whitelist.holds(docs.PGO)


def test_the_lists_of_one_fetch_come_into_use_together(world: World) -> None:
    """LIST-10: whoever looks while a notice goes out sees all new lists; a view taken before sees all old ones."""
    world.offer(*ALL)
    old = world.lists.view()
    seen: list[tuple[int, int]] = []
    world.lists = CurrentLists(
        lambda notice: seen.append((world.lists.whitelist.heading.number, world.lists.clients.heading.number)),
        world.clock,
    )
    world.lists.restore(old.values())
    world.lists.offer([parse(WHL, docs.whitelist(number="8")), parse(OCL, docs.clients(number="9"))])
    assert set(seen) == {(8, 9)}
    assert {kind: copy.content.heading.number for kind, copy in old.items()} == dict.fromkeys(ListKind, 7)


def test_one_refused_list_does_not_hold_up_the_others(world: World) -> None:
    world.offer(*ALL)
    told = world.offer((WHL, docs.whitelist(number="6")), (OCL, docs.clients([docs.client(docs.MAP)], number="8")))
    assert told == [NoticeType.ROLLED_BACK]
    assert world.lists.clients.heading.number == 8
    assert world.lists.whitelist.heading.number == 7


@pytest.mark.parametrize(
    ("age", "usable", "told"),
    [
        (timedelta(seconds=900), True, None),
        (timedelta(seconds=901), True, NoticeType.OLD),
        (timedelta(hours=8), True, NoticeType.OLD),
        (timedelta(hours=8, seconds=1), False, NoticeType.UNUSABLE),
        (timedelta(hours=9), False, NoticeType.UNUSABLE),
    ],
)
def test_age_raises_the_alarm_and_then_closes(
    world: World, age: timedelta, usable: bool, told: NoticeType | None
) -> None:
    """SLA-05, LIST-02, CT-100."""
    world.offer(*ALL)
    assert world.watch() == []
    world.clock.time += age
    assert world.lists.state.usable() is usable
    assert world.lists.state.age() == age
    assert world.watch() == ([(told, kind) for kind in ListKind] if told else [])
    assert world.watch() == [], "an alarm is told once"


def test_a_confirmation_makes_the_lists_fresh_again(world: World) -> None:
    """SLA-05: the same number counts as a confirmation, and the end of the alarm is told."""
    world.offer(*ALL)
    world.clock.pass_(hours=9)
    world.watch()
    world.offer(*ALL)
    assert world.lists.state.usable()
    assert world.watch() == [(NoticeType.FRESH_AGAIN, kind) for kind in ListKind]


@pytest.mark.parametrize("wrong", [docs.whitelist(number="6"), docs.whitelist([docs.MAP], number="7")])
def test_a_refused_list_confirms_nothing(world: World, wrong: bytes) -> None:
    """A node that only rolls back must not keep an old whitelist alive."""
    world.offer(*ALL)
    world.clock.pass_(hours=9)
    world.offer((WHL, wrong), (OCL, docs.clients()))
    assert not world.lists.state.usable()


def test_age_of_providers_and_names_does_not_close_the_door(world: World) -> None:
    world.offer((WHL, docs.whitelist()), (OCL, docs.clients()))
    assert world.lists.state.usable()
    assert world.watch() == [(NoticeType.UNUSABLE, ZAL), (NoticeType.UNUSABLE, GNL)]


def test_a_confirmation_from_the_future_counts_as_now(world: World) -> None:
    """A clock that was set back must not keep old lists fresh for ever."""
    content = parse(WHL, docs.whitelist())
    world.lists.restore([Copy(content, world.clock() + timedelta(days=3650))])
    world.clock.pass_(hours=9)
    age = world.lists.state.age_of(WHL)
    assert age == timedelta(hours=9)


def _two(kind: ListKind, before: bytes, after: bytes) -> tuple[AnyList, AnyList]:
    return parse(kind, before), parse(kind, after)


SVC: Callable[..., str] = docs.service
CHANGES = {
    "client gone": (OCL, docs.clients(), docs.clients([]), ("client medmij.mijndossierboom.example disappeared",)),
    "client new": (OCL, docs.clients([]), docs.clients(), ("client medmij.mijndossierboom.example appeared",)),
    "client renamed": (
        OCL,
        docs.clients([docs.client(services=[])]),
        docs.clients([docs.client(name="Dossierboom BV", services=[])]),
        ('client medmij.mijndossierboom.example: organisation was "Mijn Dossierboom", now "Dossierboom BV"',),
    ),
    "client services": (
        OCL,
        docs.clients([docs.client(services=["48", "50"])]),
        docs.clients([docs.client(services=["48", "65"])]),
        (
            "client medmij.mijndossierboom.example: service 50 removed",
            "client medmij.mijndossierboom.example: service 65 added",
        ),
    ),
    "client services unstated": (
        OCL,
        docs.clients([docs.client(services=["48"])]),
        docs.clients([docs.client()]),
        ("client medmij.mijndossierboom.example: services no longer stated",),
    ),
    "provider service": (
        ZAL,
        docs.providers([docs.provider("y@medmij", SVC("48"))]),
        docs.providers([docs.provider("y@medmij", SVC("48"), SVC("65"))]),
        ("provider y@medmij: service 65 added",),
    ),
    "provider endpoint": (
        ZAL,
        docs.providers([docs.provider("y@medmij", SVC())]),
        docs.providers([docs.provider("y@medmij", SVC(token="https://b.example/t"))]),
        ("provider y@medmij: service 48: token endpoint is now https://b.example/t",),
    ),
    "provider interface": (
        ZAL,
        docs.providers([docs.provider("y@medmij", interface="1.4.0")]),
        docs.providers([docs.provider("y@medmij", interface="2")]),
        ("provider y@medmij: interface version 1.4.0 removed", "provider y@medmij: interface version 2 added"),
    ),
    "name": (
        GNL,
        docs.names([("48", "Oude naam")]),
        docs.names([("48", "Nieuwe naam")]),
        ('name of service 48: was "Oude naam", now "Nieuwe naam"',),
    ),
    "hosts": (
        WHL,
        docs.whitelist(["a.example", "b.example"]),
        docs.whitelist(["b.example", "c.example"]),
        ("host a.example disappeared", "host c.example appeared"),
    ),
    "nothing": (WHL, docs.whitelist(), docs.whitelist(number="8"), ()),
}


@pytest.mark.parametrize(("kind", "before", "after", "words"), CHANGES.values(), ids=CHANGES.keys())
def test_differences_are_told_in_words(kind: ListKind, before: bytes, after: bytes, words: tuple[str, ...]) -> None:
    assert differences(*_two(kind, before, after)) == words


def test_a_long_list_of_changes_is_told_in_part(world: World) -> None:
    world.offer((WHL, docs.whitelist()))
    world.lists.offer([parse(WHL, docs.whitelist([f"h{n}.example" for n in range(100)], number="8"))])
    assert world.heard[-1].text.endswith("; and 83 more")
    assert len(world.heard[-1].text) < 1_000
