"""Who acted for whom, in words, on the page "Mijn toestemmingen" (REP-06, LOG-09).

Names are not known here: the person who acted and the person whom it is about are pseudonyms. What a reader can be told
is the kind of representation, and to who acted the birth date with which they asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from auth.crypto import KeyRing
from auth.pages.catalogue import Texts
from auth.pages.presenter import day_of
from auth.ports import AccessEntry
from auth.store.rows import ConsentEntry, Family


@dataclass(frozen=True, slots=True)
class Acting:
    """One reader of the page: what others did for them, and what they did for others.

    `me` is the pseudonym of the reader, `given` holds the families of consents that they gave for others, newest first.
    """

    me: str
    given: tuple[Family, ...]
    ring: KeyRing
    texts: Texts

    @property
    def living(self) -> tuple[Family, ...]:
        """The lasting consents among them that were not ended."""
        return tuple(family for family in self.given if family.lasting and family.ended is None)

    @property
    def others(self) -> tuple[str, ...]:
        """The persons for whom the reader acted."""
        return tuple(dict.fromkeys(family.subject for family in self.given))

    def of_family(self, family: Family) -> str | None:
        """Words for a consent; None when nobody acted for another."""
        return self._words(family.subject, family.actor, family.representation)

    def of_entry(self, entry: ConsentEntry) -> str | None:
        """Words for a line of the register."""
        return self._words(entry.subject, entry.actor, entry.representation)

    def of_access(self, person: str, entry: AccessEntry, lines: Iterable[ConsentEntry]) -> str | None:
        """Words for a collection of this person's data; the register of that person says which kind it was."""
        kinds = (line.representation for line in lines if line.actor == entry.represented_by)
        return self._words(person, entry.represented_by, next(kinds, None))

    def _words(self, person: str | None, actor: str | None, kind: str | None) -> str | None:
        if actor is None:
            return None
        if person == self.me:
            return self.texts(f"manage.by_{kind or 'other'}")
        known = next((family for family in self.given if family.subject == person), None)
        if known is None or known.sealed_birth_date is None or kind is None:
            return self.texts("manage.whom_other")
        born = self.ring.open("birth-date", known.sealed_birth_date).decode("ascii")
        return self.texts(f"manage.whom_{kind}", born=day_of(born))
