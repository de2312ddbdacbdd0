"""Finding the patient of each resource, through its own references and through those of others.

A resource whose patient cannot be found is refused: a gateway that guesses here shows one patient another's data.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from profiles.fhir.tree import Resource
from profiles.record.bsn import bsn_of, find_bsn
from profiles.record.walk import Key, key_of, links
from profiles.record.whose import (
    OWNERS,
    Naming,
    contained_numbers,
    contexts,
    is_shared,
    may_follow,
    mentions,
    naming,
    patient_of,
    subjects,
)

Stored = Callable[[Key], str | None]
"""To which patient (empty: shared) a resource belongs that is already in the store; None when it is not there."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where everything goes: patient id per resource key (empty: shared), and why the rest is refused."""

    patients: Mapping[Key, str] = field(default_factory=dict)
    refused: Mapping[Key, str] = field(default_factory=dict)


def place(
    resources: Iterable[Resource],
    stored: Stored = lambda _key: None,
    hints: Mapping[Key, str] | None = None,
    number: Callable[[str], str | None] = lambda _patient: None,
    apart: Container[Key] = frozenset(),
    in_episode: Container[Key] = frozenset(),
) -> Placement:
    """Place resources that come together.

    ``hints`` names a patient for resources that nothing else places: who sent them knows. A hint never takes a
    resource away from the patient that it names itself. ``number`` gives the BSN of a patient id that is known by
    other means than its own resource. ``apart`` are resources that name a person of whom it is known that they have a
    record of their own, even when that person is not here: nobody else's episode gets them. ``in_episode`` are the
    encounters in the store that belong to an episode of care. Returns a Placement; every resource is in exactly one
    of its two mappings.
    """
    given = {key_of(resource): resource for resource in resources}
    return _Placing(given, stored, hints or {}, number, apart, in_episode).run()


class _Placing:
    """One placing: what is given, and what was found so far."""

    def __init__(
        self,
        given: Mapping[Key, Resource],
        stored: Stored,
        hints: Mapping[Key, str],
        number: Callable[[str], str | None],
        apart: Container[Key],
        in_episode: Container[Key],
    ) -> None:
        self.given = given
        self.stored = stored
        self.hints = hints
        self.number = number
        self.apart = apart
        self.in_episode = in_episode
        self.targets = {key: list(links(resource)) for key, resource in given.items()}
        self.patients: dict[Key, str] = {}
        self.refused: dict[Key, str] = {}

    def run(self) -> Placement:
        """Owners first, then along references, then hints and what may be shared."""
        for key, resource in self.given.items():
            try:
                owner = self._owner(key, resource)
            except ValueError as fault:
                self.refused[key] = str(fault)
                continue
            if owner is None:
                continue
            if self._is_known(owner) or self.hints.get(key) == owner:
                self.patients[key] = owner
            else:
                self.refused[key] = f"refers to Patient/{owner}, which is neither in this import nor in the store"
        self._spread()
        for key in self.given.keys() - self.patients.keys() - self.refused.keys():
            if is_shared(self.given[key]):
                self.patients[key] = ""
            elif key in self.hints:
                self.patients[key] = self.hints[key]
            else:
                self.refused[key] = "no patient found: it refers to none, and nothing of a patient refers to it"
        self._compare_contained()
        return Placement(self.patients, self.refused)

    def _compare_contained(self) -> None:
        """Whoever a resource went to, however that was found: a contained Patient with another BSN is somebody else."""
        for key, patient in list(self.patients.items()):
            numbers = contained_numbers(self.given[key])
            if numbers and numbers != {self._number(patient)}:
                del self.patients[key]
                self.refused[key] = "the number of the patient in it is not that of the patient whose it would become"

    def _is_known(self, patient: str) -> bool:
        return ("Patient", patient) in self.given or self.stored(("Patient", patient)) is not None

    def _number(self, patient: str) -> str | None:
        own = self.given.get(("Patient", patient))
        return (find_bsn(own) if own is not None else None) or self.number(patient)

    def _owner(self, key: Key, resource: Resource) -> str | None:
        """The patient whose a resource is. Raises ValueError with the reason when that cannot be told."""
        own = self._named(key, resource)
        if own is not None and key[0] != "Patient":
            numbered = self._is_known(own) and self._number(own) is not None
            if numbered or key in self.apart:
                return own  # A person with a record of their own, whoever's episode it was recorded in.
        return self._in_context(resource) or own

    def _named(self, key: Key, resource: Resource) -> str | None:
        if key[0] == "Patient":
            return key[1]
        references = list(subjects(resource))
        named = {patient for node in references if (patient := patient_of(node)) is not None}
        if any(naming(node) is Naming.ELSEWHERE for node in references):
            raise ValueError("names its patient by an address or a number that is nobody's here")
        if not named:
            named = self._mentioned(resource)
        if len(named) > 1:
            raise ValueError("refers to more than one patient, and no element says whose record it is")
        owner = next(iter(named), None)
        numbers = {bsn for node in references if (bsn := bsn_of(node.get("identifier"))) is not None}
        # A number that is not known yet may turn out to be another: what came before it would then be another person's.
        if owner is not None and numbers and self._number(owner) not in numbers:
            raise ValueError(
                "names its patient also by number, and that is not known to be the number of the patient it refers to"
            )
        return owner

    def _mentioned(self, resource: Resource) -> set[str]:
        """The patients that a resource names in any element."""
        found = list(mentions(resource))
        if any(patient_of(node) is None for node in found):
            raise ValueError("refers to a patient by an address that is not known here")
        return {str(patient_of(node)) for node in found}

    def _in_context(self, resource: Resource) -> str | None:
        """The patient of the episode of care in whose context something was recorded."""
        for context in contexts(resource):
            if context[0] == "EpisodeOfCare":
                return self._patient_at(context)
            for target in self.targets.get(context, ()):
                if target[0] == "EpisodeOfCare":
                    return self._patient_at(target)
            if context not in self.given and context in self.in_episode:
                return self.stored(context)
        return None

    def _patient_at(self, key: Key) -> str | None:
        return self._named(key, self.given[key]) if key in self.given else self.stored(key)

    def _spread(self) -> None:
        """Carry patients along references, in both directions, until nothing changes."""
        incoming: dict[Key, set[Key]] = {key: set() for key in self.given}
        for key, aims in self.targets.items():
            for aim in aims:
                if aim in incoming:
                    incoming[aim].add(key)
        while True:
            placed: dict[Key, str] = {}
            for key in self.given.keys() - self.patients.keys() - self.refused.keys():
                sharable = OWNERS.may_be_shared(key[0])
                if (sharable and key[0] not in OWNERS.companion) or not may_follow(self.given[key]):
                    continue
                near = {self.patients.get(other) for other in incoming[key]} - {None, ""}
                if not sharable:
                    near |= {self.patients.get(aim) or self.stored(aim) for aim in self.targets[key]} - {None, ""}
                if len(near) == 1:
                    placed[key] = str(near.pop())
                elif len(near) > 1 and not sharable:
                    self.refused[key] = "belongs to resources of more than one patient"
            if not placed:
                return
            self.patients.update(placed)


def birth_date(patient: Resource) -> date | None:
    """The birth date of a Patient; None when it is not known to the day."""
    try:
        return date.fromisoformat(str(patient.get("birthDate")))
    except ValueError:
        return None
