"""What is known of a push on its way: the draft, the changes that it comes to, and the plan that is carried out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from gateway.intake.tasks import Key, Push, Task
from gateway.store.known import KnownKeys, StoredRow
from gateway.store.unit import Pending, now_in_milliseconds
from profiles.fhir.tree import Resource
from profiles.record.bsn import bsn_of
from profiles.record.repair import Repair
from profiles.record.whose import Naming, contained_numbers, naming, subjects
from profiles.validation import Finding, Report


@dataclass(slots=True, kw_only=True)
class Change(Pending):
    """What a task comes to, and what was found about it."""

    task: Task
    report: Report | None = None
    findings: Sequence[Finding] = ()
    """Of validation, and of the document that a DocumentReference brings."""
    blocked: bool = False
    bsn: str | None = None
    birth_date: date | None = None


@dataclass(slots=True)
class WritePlan:
    """What will be written, and what was kept out, each with its task."""

    push: Push
    changes: list[Change] = field(default_factory=list)
    existing: list[tuple[Task, StoredRow]] = field(default_factory=list)
    """What a conditional create found, and what only had to be there."""
    again: list[tuple[Task, Task]] = field(default_factory=list)
    """What was said twice with the same content, each with the task that says it first."""
    blocked: list[Change] = field(default_factory=list)
    known: KnownKeys = field(default_factory=KnownKeys)
    watched: frozenset[Key] = frozenset()
    now: datetime = field(default_factory=now_in_milliseconds)
    """Since when what is written is there."""


@dataclass(slots=True)
class Draft:
    """A push while it is looked at: its plan so far, and by key what was found about each resource."""

    plan: WritePlan
    repairs: dict[Key, list[Repair]] = field(default_factory=dict)
    labels: dict[Key, Resource] = field(default_factory=dict)
    """Stored resources that references without display point at."""
    pointing: dict[Key, list[Resource]] = field(default_factory=dict)
    """The References of each resource, as objects of it."""
    links: dict[Key, frozenset[Key]] = field(default_factory=dict)
    """What each resource points at, as far as it was changed by then."""
    in_episode: set[Key] = field(default_factory=set)
    """The encounters in the store, of those in whose context something was recorded, that belong to an episode."""
    merged: Mapping[str, str] = field(default_factory=dict)
    """Patient numbers that are not here because they ended in another one, with that number."""
    dropped: set[int] = field(default_factory=set)
    """Tasks (by identity) that say again what another one says."""

    @property
    def push(self) -> Push:
        """What was pushed."""
        return self.plan.push

    @property
    def tasks(self) -> list[Task]:
        """The tasks that were not refused."""
        return [task for task in self.push.tasks if task.refused is None and id(task) not in self.dropped]


def numbers_within(resource: Resource) -> set[str]:
    """The BSN of the Patient within a resource that its owner elements point at; empty when it names anybody else."""
    own = contained_numbers(resource)
    return own if own and all(naming(node) is Naming.VAGUE for node in subjects(resource)) else set()


def owners_by_bsn(resource: Resource) -> Iterable[tuple[Resource, str]]:
    """The elements that name the patient by BSN alone."""
    for node in subjects(resource):
        number = bsn_of(node.get("identifier"))
        if "reference" not in node and number and number.isascii():
            yield node, number
