"""What is done with what citizens sent: accepted, declined, passed on. Each deed is a line of who, when and why.

Functions on the store, inside the caller's transaction; the staff pages, the rules of the institution and the command
line all come here. Who may do it is for the caller to know; what the state of an item allows is known here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, delete, insert, select, update

from gateway.share.states import FOLLOWS, NotAllowed, State
from gateway.store.shared import filing, share_deed, shared_content, shared_item, submission

Targets = Callable[[str, str, str], Sequence[str]]
"""The names of the write-backs for a provider, information standard and resource type."""
WAITING, FILED, DEAD, CLOSED = "waiting", "filed", "dead", "closed"
"""States of an item's way to one EHR; closed: somebody dealt with it otherwise."""
LONGEST = 2_000
"""Characters of a reason."""


def nowhere(_provider: str, _standard: str, _type: str) -> Sequence[str]:
    """No write-back: what is accepted is filed by hand."""
    return ()


@dataclass(frozen=True, slots=True)
class Deeds:
    """Deeds of one account (or rule, or the gateway itself) at one moment. ``targets`` are where accepted items go."""

    connection: Connection
    by: str
    now: datetime
    targets: Targets = nowhere

    def accept(self, submission_id: str, items: Iterable[str] = (), text: str = "") -> None:
        """Accept items (none named: all that are open); they are on their way to the EHR. Raises NotAllowed."""
        accepted = self._go(submission_id, items, State.ACCEPTED, text)
        whose = select(submission.c.provider, submission.c.standard).where(submission.c.id == submission_id)
        provider, standard = self.connection.execute(whose).one()
        for pk, _, type_ in accepted:
            for target in self.targets(provider, standard, type_):
                self.connection.execute(
                    insert(filing).values(
                        item_pk=pk, target=target, state=WAITING, attempts=0, next=self.now, answer=""
                    )
                )

    def decline(self, submission_id: str, reason: str, items: Iterable[str] = ()) -> None:
        """Do not take items into the record; ``reason`` is read by the citizen. Raises NotAllowed without one."""
        if not reason.strip():
            raise NotAllowed("a reason is needed, in words that the citizen can read")
        self._go(submission_id, items, State.DECLINED, reason)

    def ask(self, submission_id: str, question: str, items: Iterable[str] = ()) -> None:
        """Wait for an answer of the citizen, who is asked by the institution's own channel. Raises NotAllowed."""
        self._go(submission_id, items, State.RETURNED, question)

    def reopen(self, submission_id: str, items: Iterable[str] = (), text: str = "") -> None:
        """Put items back into the inbox. Raises NotAllowed."""
        self._go(submission_id, items, State.INBOX, text)

    def withdraw(self, submission_id: str, reason: str, items: Iterable[str] = ()) -> None:
        """Tell that what was filed was taken back in the EHR; it goes nowhere else any more. Raises NotAllowed."""
        if not reason.strip():
            raise NotAllowed("a reason is needed")
        withdrawn = [pk for pk, _, _ in self._go(submission_id, items, State.WITHDRAWN, reason)]
        self.close(select(shared_item.c.pk).where(shared_item.c.pk.in_(withdrawn)), "withdrawn")

    def close(self, items: Select[tuple[int]], why: str) -> None:
        """Send these items to no EHR any more; a process that is sending one finds its row closed."""
        left = update(filing).where(filing.c.item_pk.in_(items), filing.c.state.in_([WAITING, DEAD]))
        self.connection.execute(left.values(state=CLOSED, answer=why, claimed=None))

    def expire(self, submission_id: str) -> None:
        """Nobody decided in time. Raises NotAllowed when nothing of it is open."""
        self._go(submission_id, (), State.EXPIRED, "")

    def note(self, submission_id: str, deed: str, text: str) -> None:
        """Write a line that changes nothing. Raises NotAllowed for a submission that is not there."""
        self._note(self._pk(submission_id), None, deed, text)

    def forward(self, submission_id: str, department: str, text: str = "") -> None:
        """Give a submission to another department, where nobody looks at it yet."""
        pk = self._pk(submission_id)
        values = {"department": department[:80], "assignee": ""}
        self.connection.execute(update(submission).where(submission.c.pk == pk).values(values))
        self._note(pk, None, "forwarded", f"{department}: {text}" if text else department)

    def assign(self, submission_id: str, account: str) -> None:
        """Say who looks at a submission; empty: nobody."""
        pk = self._pk(submission_id)
        self.connection.execute(update(submission).where(submission.c.pk == pk).values(assignee=account[:120]))
        self._note(pk, None, "assigned", account)

    def viewed(self, submission_id: str) -> None:
        """Note that somebody looked, and when the first did."""
        pk = self._pk(submission_id)
        unseen = update(submission).where(submission.c.pk == pk, submission.c.viewed.is_(None))
        self.connection.execute(unseen.values(viewed=self.now))
        self._note(pk, None, "viewed", "")

    def filed(self, item_id: str, ehr_id: str) -> None:
        """An item is in the EHR under this name: an adapter said so, or somebody did it by hand. Raises NotAllowed."""
        row = self.connection.execute(
            select(shared_item.c.pk, shared_item.c.submission_pk, shared_item.c.state)
            .where(shared_item.c.id == item_id, shared_item.c.role == "item")
            .with_for_update()
        ).one_or_none()
        if row is None:
            raise NotAllowed("there is no such item")
        if row.state == State.FILED:
            return
        if State.FILED not in FOLLOWS[State(row.state)]:
            raise NotAllowed(f"an item that is {row.state} cannot be filed")
        values = {"state": State.FILED.value, "filed_as": ehr_id[:255]}
        self.connection.execute(update(shared_item).where(shared_item.c.pk == row.pk).values(values))
        self._note(row.submission_pk, row.pk, State.FILED.value, "")

    def _go(self, submission_id: str, items: Iterable[str], state: State, text: str) -> list[tuple[int, int, str]]:
        """Bring items into a state; number, that of the submission, and type. Raises NotAllowed, and does nothing."""
        pk, named = self._pk(submission_id), set(items)
        wanted = select(shared_item.c.pk, shared_item.c.id, shared_item.c.state, shared_item.c.type).where(
            shared_item.c.submission_pk == pk, shared_item.c.role == "item"
        )
        rows = self.connection.execute(wanted.order_by(shared_item.c.pk).with_for_update()).all()
        if named - {row.id for row in rows}:
            raise NotAllowed("there is no such item in this submission")
        able = [row for row in rows if state in FOLLOWS[State(row.state)]]
        chosen = [row for row in able if not named or row.id in named]
        if not chosen or len(chosen) < len(named):
            raise NotAllowed(f"the state that it has now does not allow {state.value}")
        decided = None if state is State.INBOX else self.now
        for row in chosen:
            values = {"state": state.value, "decided": decided, "reason": text[:LONGEST]}
            self.connection.execute(update(shared_item).where(shared_item.c.pk == row.pk).values(values))
            self._note(pk, row.pk, state.value, text)
        return [(row.pk, pk, row.type) for row in chosen]

    def _pk(self, submission_id: str) -> int:
        found = self.connection.execute(select(submission.c.pk).where(submission.c.id == submission_id)).scalar()
        if found is None:
            raise NotAllowed("there is no such submission")
        return int(found)

    def _note(self, submission_pk: int, item_pk: int | None, deed: str, text: str) -> None:
        values = {"submission_pk": submission_pk, "item_pk": item_pk, "at": self.now, "deed": deed, "by": self.by[:120]}
        self.connection.execute(insert(share_deed).values(values | {"text": text[:LONGEST]}))


def empty(connection: Connection, items: Sequence[int], submissions: Sequence[int]) -> None:
    """Take away the content of items, and of the parts of submissions in which nothing else needs them.

    What happened, the hashes and the findings stay.
    """
    gone = {"json": b"", "sealed": b"", "size": 0}
    numbers = list(items)
    for submission_pk in set(submissions):
        held = select(shared_item.c.pk).where(
            shared_item.c.submission_pk == submission_pk, shared_item.c.role == "item", shared_item.c.json != b""
        )
        if set(connection.execute(held).scalars()) <= set(items):
            parts = select(shared_item.c.pk).where(
                shared_item.c.submission_pk == submission_pk, shared_item.c.role != "item"
            )
            numbers += connection.execute(parts).scalars()
    connection.execute(update(shared_item).where(shared_item.c.pk.in_(numbers)).values(gone))
    connection.execute(delete(shared_content).where(shared_content.c.item_pk.in_(numbers)))
