"""What availability was answered before, for as long as the database says that nothing of the person changed since.

A mapping may have ``patient.changed``: a query that gives one row with ``changed``, whatever it is (a moment, a
number), that is another one after every change of the person's data. Nothing of it is kept on disk.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import date

from adapters.port import Reason, ServiceKey
from adapters.sql.database import Conversation
from adapters.sql.people import People

COLUMN = "changed"
MOST = 20_000
"""Persons of whom answers are kept; who was asked for longest ago goes first."""

Missing = Callable[[ServiceKey], Reason | None]


class UnchangedAnswers:
    """Answers by the records of a person, each with the mark under which it was given."""

    def __init__(self, query: str | None) -> None:
        self._query = query
        self._kept: OrderedDict[frozenset[str], tuple[Hashable, dict[str, Reason | None]]] = OrderedDict()

    def over(self, talk: Conversation, known: People, missing: Missing) -> Missing:
        """``missing``, asked only for what is not known under the mark of now.

        The mark is read first: a change while the sections are read makes the next mark another one.
        """
        mark = self._mark(talk, known)
        if mark is None:
            return missing
        key = frozenset(known)
        before = self._kept.pop(key, None)
        answers = dict(before[1]) if before is not None and before[0] == mark else {}

        def asked(service: ServiceKey) -> Reason | None:
            if service.id not in answers:
                answers[service.id] = missing(service)
                self._kept[key] = mark, answers
            return answers[service.id]

        self._kept[key] = mark, answers
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return asked

    def _mark(self, talk: Conversation, known: People) -> Hashable | None:
        """The mark of all records; None when one has none. A day is part of it: formulas may ask for today."""
        marks: list[str] = []
        for person in sorted(known) if self._query is not None else ():
            rows = list(talk.rows(self._query or "", {"patient": known[person].key}))
            told = [row[COLUMN] for row in rows]
            if len(told) != 1 or told[0] is None:
                return None
            marks.append(repr(told[0]))
        return (date.today(), *marks) if marks else None  # noqa: DTZ011 - today() of the formulas
