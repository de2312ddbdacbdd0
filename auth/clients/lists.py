"""The copies of the lists that are in use: which new copy may take the place of an old one, and how old they are.

Sources: LIST-02, LIST-05, LIST-06, LIST-10, SLA-05.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TypeVar

from auth.clients.diff import differences
from auth.clients.model import AnyList, Heading, HostWhitelist, ListKind, OAuthClientList, ProviderList, ServiceNameList
from auth.clients.notices import Notice, NoticeType, Notify

ALARM_AGE = timedelta(seconds=900)
CLOSING_AGE = timedelta(hours=8)
NEEDED = (ListKind.WHITELIST, ListKind.CLIENTS)
"""The lists without which no authorization may start; the other two give names and self-checks."""

_NEVER = datetime.min.replace(tzinfo=UTC)
_L = TypeVar("_L", HostWhitelist, OAuthClientList, ProviderList, ServiceNameList)


@dataclass(frozen=True, slots=True)
class Copy:
    """A list in use and when its source last confirmed that it is the current one."""

    content: AnyList
    confirmed: datetime


@dataclass(frozen=True, slots=True)
class ListVerdict:
    """What may be done with a newly fetched list."""

    accepted: bool
    """It takes the place of the copy in use."""
    confirms: bool
    """The source is alive and true: the copy then in use counts as confirmed now."""
    notices: tuple[Notice, ...] = ()


def judge(old: AnyList | None, new: AnyList) -> ListVerdict:
    """Compare a new, valid list with the one in use by the sequence rules (LIST-06)."""
    kind, number = new.kind, new.heading.number
    if old is None:
        return ListVerdict(accepted=True, confirms=True)
    if number < old.heading.number:
        text = f"number {number} is lower than {old.heading.number}, which is in use: refused"
        return ListVerdict(False, False, (Notice(NoticeType.ROLLED_BACK, kind, text, number),))
    if number == old.heading.number:
        if new.entries == old.entries:
            return ListVerdict(accepted=False, confirms=True)
        text = f"number {number} came again with another content: refused"
        return ListVerdict(False, False, (Notice(NoticeType.NUMBER_REUSED, kind, text, number),))
    if number > old.heading.number + 1:
        text = f"number went from {old.heading.number} to {number}"
        return ListVerdict(True, True, (Notice(NoticeType.NUMBER_JUMPED, kind, text, number),))
    return ListVerdict(accepted=True, confirms=True)


@dataclass(frozen=True, slots=True)
class ListsFreshness:
    """How fresh the lists are at the moment of asking; implements `auth.ports.ListsState`."""

    copies: Mapping[ListKind, Copy]
    now: Callable[[], datetime]

    def age_of(self, kind: ListKind) -> timedelta | None:
        """Time since this list was last confirmed; None when there is no copy."""
        copy = self.copies.get(kind)
        return None if copy is None else max(timedelta(0), self.now() - copy.confirmed)

    def age(self) -> timedelta:
        """Time since the oldest list that matters was confirmed; the longest time there is when one is absent."""
        ages = [self.age_of(kind) for kind in NEEDED]
        return max((timedelta.max if age is None else age) for age in ages)

    def usable(self) -> bool:
        """Whether new authorizations may start (SLA-05, CT-100)."""
        return self.age() <= CLOSING_AGE


class CurrentLists:
    """All lists as one view; implements `auth.ports.Lists`.

    Readers take properties and get immutable objects; a refresh puts one new mapping in place of the old in a single
    assignment (LIST-10). `view()` gives one consistent set to somebody who needs several lists.
    """

    def __init__(self, notify: Notify = lambda notice: None, now: Callable[[], datetime] | None = None) -> None:
        self._copies: Mapping[ListKind, Copy] = MappingProxyType({})
        self._notify = notify
        self._now = now or (lambda: datetime.now(UTC))
        self._lock = threading.Lock()
        self._told: dict[ListKind, NoticeType] = {}

    def view(self) -> Mapping[ListKind, Copy]:
        """The copies in use, as one immutable set."""
        return self._copies

    @property
    def state(self) -> ListsFreshness:
        """The age of the copies in use."""
        return ListsFreshness(self._copies, self._now)

    @property
    def whitelist(self) -> HostWhitelist:
        """The whitelist; empty when there is none yet, so that nobody gets in."""
        return self._get(ListKind.WHITELIST, HostWhitelist)

    @property
    def clients(self) -> OAuthClientList:
        """The OAuth client list; empty when there is none yet."""
        return self._get(ListKind.CLIENTS, OAuthClientList)

    @property
    def providers(self) -> ProviderList:
        """The provider list; empty when there is none yet."""
        return self._get(ListKind.PROVIDERS, ProviderList)

    @property
    def names(self) -> ServiceNameList:
        """The names of data services; empty when there are none yet."""
        return self._get(ListKind.NAMES, ServiceNameList)

    def _get(self, kind: ListKind, of: type[_L]) -> _L:
        copy = self._copies.get(kind)
        if copy is None or not isinstance(copy.content, of):
            return of(Heading(_NEVER, 0, 0), {})
        return copy.content

    def restore(self, copies: Iterable[Copy]) -> None:
        """Begin with copies kept from before (LIST-02). A confirmation in the future counts as made now."""
        now = self._now()
        with self._lock:
            kept = {copy.content.kind: Copy(copy.content, min(copy.confirmed, now)) for copy in copies}
            self._copies = MappingProxyType({**self._copies, **kept})

    def offer(self, fetched: Iterable[AnyList]) -> tuple[AnyList, ...]:
        """Take what a fetch brought; returns the lists that its source confirmed: those now in use of these kinds.

        All lists that the sequence rules admit come into use at the same moment; for the others the copy in use
        stays. Notices go out after that moment.
        """
        notices: list[Notice] = []
        with self._lock:
            now = self._now()
            copies = dict(self._copies)
            confirmed: list[AnyList] = []
            for new in fetched:
                held = copies.get(new.kind)
                old = held.content if held else None
                verdict = judge(old, new)
                notices += verdict.notices
                content = new if verdict.accepted or old is None else old
                if verdict.accepted and (changes := differences(old, new)):
                    notices.append(Notice(NoticeType.CHANGED, new.kind, _sentence(changes), new.heading.number))
                if verdict.confirms:
                    copies[new.kind] = Copy(content, now)
                    confirmed.append(content)
            self._copies = MappingProxyType(copies)
        for notice in notices:
            self._notify(notice)
        return tuple(confirmed)

    def watch(self) -> None:
        """Tell once that a list became old (900 s), once that it became unusable (8 h), once that it is fresh again."""
        state = self.state
        for kind in ListKind:
            age = state.age_of(kind)
            now_is, text = _condition(age)
            with self._lock:
                before = self._told.get(kind, NoticeType.FRESH_AGAIN)
                self._told[kind] = now_is
            if now_is is not before:
                copy = state.copies.get(kind)
                self._notify(Notice(now_is, kind, text, copy.content.heading.number if copy else None))


def _sentence(changes: tuple[str, ...], most: int = 20) -> str:
    rest = [f"and {len(changes) - most} more"] if len(changes) > most else []
    return "; ".join([*changes[:most], *rest])


def _condition(age: timedelta | None) -> tuple[NoticeType, str]:
    if age is None:
        return NoticeType.UNUSABLE, "there is no copy"
    seconds = int(age.total_seconds())
    if age > CLOSING_AGE:
        return NoticeType.UNUSABLE, f"last confirmed {seconds} s ago, more than 8 hours"
    if age > ALARM_AGE:
        return NoticeType.OLD, f"last confirmed {seconds} s ago, more than {int(ALARM_AGE.total_seconds())} s"
    return NoticeType.FRESH_AGAIN, f"last confirmed {seconds} s ago"
