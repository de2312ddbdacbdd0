"""The EHR port: what the gateway asks of a source, and what a source may answer.

An **adapter** stands for one source of one care provider (an EHR, a laboratory system, a document store). It has
three methods. Everything else in this module is the vocabulary of those three. The contract in prose, with a worked
example, is docs/adapters.md; the contract as tests is ``adapters.testing.contract``.

What holds for all three methods:

*   **One patient.** The patient is in the query and nowhere else. An adapter never returns anything of another patient;
    if the source did, the whole answer is refused with `WrongPatient`: half of a mixed answer cannot be trusted either.
*   **One deadline.** ``deadline`` is an instant of ``time.monotonic()``. An adapter answers before it, with what it
    has by then and a `Gap` for the rest. It never outlives it: not by a retry, not by a slow byte, not by a thread.
*   **Bounded.** Memory is bounded by limits in the adapter's settings, never by what the source chooses to send.
*   **Partial is normal.** A part that is missing is a `Gap`; a whole that is missing is an `AdapterError`. An empty
    ``resources`` without gaps means: asked, answered, nothing recorded.
*   **More is allowed, less is not.** An answer holds every resource of the patient that the search could match,
    and what its ``_include`` parameters reach. It may hold more of the same patient: the gateway matches, sorts,
    includes and groups (``$lastn``) all answers with the same code. A parameter that the adapter does not
    understand is therefore left to the gateway, never a reason to leave data out.
*   **Own words.** Ids and references are those of the source, stable over time; the gateway makes them unique, masks
    the BSN and makes links absolute. Clinical values keep their digits and codes: what an adapter changes, it notes
    in ``trace``.
*   **Cancellation** passes through: a cancelled call closes what it opened and raises ``asyncio.CancelledError``.
*   **Silence.** No BSN and no clinical value in logs, URLs of log lines, or the public text of an error.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.rules import RepairNote

__all__ = [
    "Adapter",
    "AdapterDown",
    "AdapterError",
    "AdapterGarbage",
    "AdapterMisconfigured",
    "AdapterQuery",
    "AdapterRefused",
    "Availability",
    "AvailabilityQuery",
    "Batch",
    "Bsn",
    "Capabilities",
    "Closes",
    "Content",
    "Coverage",
    "CoverageLevel",
    "Gap",
    "LocalId",
    "PatientKey",
    "Probes",
    "Reason",
    "RepairNote",
    "ServiceKey",
    "WrongPatient",
    "in_time",
]


# -- who, and what is asked --------------------------------------------------------------------------------------------


class Bsn:
    """A citizen service number that does not show itself: neither repr, str, format nor an f-string gives digits.

    Raises ValueError, without the text it was given, for anything but nine digits. The eleven test is not applied here:
    who puts a number into a query has tested it.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        if len(digits) != 9 or not (digits.isascii() and digits.isdigit()):
            raise ValueError("a BSN has nine digits")
        self._digits = digits

    def reveal(self) -> str:
        """The nine digits, for the one place that needs them: the question to the source."""
        return self._digits

    def __repr__(self) -> str:
        return "Bsn(*********)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bsn) and other._digits == self._digits

    def __hash__(self) -> int:
        return hash(("bsn", self._digits))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a BSN is not serialised")


@dataclass(frozen=True, slots=True)
class LocalId:
    """The id of the patient in a source. ``source`` is the adapter's name, or None when it holds for all sources."""

    source: str | None
    id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PatientKey:
    """Who it is about: the BSN, or local ids that are already known (from an earlier answer, or a test token)."""

    bsn: Bsn | None = None
    birth_date: date | None = field(default=None, repr=False)
    local_ids: tuple[LocalId, ...] = ()

    def __post_init__(self) -> None:
        if self.bsn is None and not self.local_ids:
            raise ValueError("a patient key has a BSN or a local id")

    def local_id(self, source: str) -> str | None:
        """The patient's id in the source of that name, when known; an id of the source goes before a general one."""
        for wanted in (source, None):
            for known in self.local_ids:
                if known.source == wanted:
                    return known.id
        return None


@dataclass(frozen=True, slots=True)
class AdapterQuery:
    """One request row of one information standard, for one patient.

    ``provider`` is the provider's name in the configuration, ``standard`` and ``rule`` are ids of
    ``profiles.standards`` (``bgz-3``, ``problem``), or `WHO_IT_IS`. ``interaction`` is ``search-type``,
    ``operation`` (``$lastn``) or ``read``; ``search`` holds the decoded name-value pairs in the order of the request,
    result parameters such as ``_include`` with them, without any that names the patient. ``id`` is set for a read: an
    id of the source.
    ``profiles`` gives per resource type the canonicals that the standard expects of matches and of what is included.
    ``correlation`` and ``request`` are the MedMij ids; an adapter passes the correlation on where its source takes one.
    """

    provider: str
    patient: PatientKey
    standard: str
    rule: str
    interaction: str
    type: str
    version: FhirVersion
    deadline: float
    search: tuple[tuple[str, str], ...] = ()
    id: str | None = None
    profiles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    correlation: str = ""
    request: str = ""

    @property
    def follows(self) -> bool:
        """Whether what a match points at is needed too: to bring it along, or because a chain goes over it."""
        return any(name.startswith(("_include", "_revinclude")) or "." in name for name, _ in self.search)

    def remaining(self) -> float:
        """Seconds until the deadline; zero when it has passed."""
        return max(0.0, self.deadline - time.monotonic())


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """A data service by its MedMij number, and the id of the standard that describes it."""

    id: str
    standard: str


@dataclass(frozen=True, slots=True)
class AvailabilityQuery:
    """Which of these services can be collected for this person? (AVL-01; asked while the person waits for a page.)"""

    provider: str
    patient: PatientKey
    services: tuple[ServiceKey, ...]
    deadline: float
    correlation: str = ""
    request: str = ""

    def remaining(self) -> float:
        """Seconds until the deadline; zero when it has passed."""
        return max(0.0, self.deadline - time.monotonic())


# -- what comes back ---------------------------------------------------------------------------------------------------


class Reason(StrEnum):
    """Why there is nothing: the one vocabulary of API, logs, helpdesk and figures."""

    NO_RELATION = "no-relation"
    NOT_OFFERED = "not-offered"
    AGE = "age"
    NO_MANDATE = "no-mandate"
    CONSENT_ENDED = "consent-ended"
    EMPTY = "empty"
    DELAYED = "delayed"
    WITHHELD = "withheld"
    SOURCE_DOWN = "source-down"
    INVALID_BLOCKED = "invalid-blocked"


WHO_IT_IS: Final = ("", "patient")
"""The row, of no standard, that asks who it is that sends something, where a service itself reads nothing.

A source answers it with every Patient of the person that it serves to any row.
"""

UNKNOWN_PERSON: Final = "the source does not know this person"
"""The words of a gap for somebody of whom the source holds nothing."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of the answer that is missing.

    ``what`` names the part: a resource type, ``Type/id``, or a section name of the source. ``text`` is one plain
    sentence for people outside, without patient data. ``retry_after`` is in seconds, set when asking again makes sense;
    ``available_from`` goes with ``delayed``.
    """

    what: str
    reason: Reason
    text: str
    retry_after: int | None = None
    available_from: date | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The answer to a query.

    ``source`` is the adapter's name. ``patients`` are the ids of the Patient resources under which this source knows
    the person: every resource with a subject refers to one of them. ``fetched`` (UTC) is when the source was asked,
    also when the answer came out of a cache of the adapter.
    """

    source: str
    resources: Sequence[Resource] = field(repr=False)
    fetched: datetime
    patients: frozenset[str] = field(default=frozenset(), repr=False)
    gaps: Sequence[Gap] = ()
    trace: Sequence[RepairNote] = ()

    def __post_init__(self) -> None:
        if self.fetched.utcoffset() is None:
            raise ValueError("fetched needs a time zone")


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a document, as they come out of the source.

    ``chunks`` is iterated once, to the end or until closed with ``aclose()``; it raises `AdapterDown` when the source
    stops half-way or the deadline passes, and `AdapterGarbage` when the length or hash is not what was announced.
    ``length`` and ``sha1`` (hex) are given when known beforehand.
    """

    source: str
    id: str
    content_type: str
    chunks: AsyncIterator[bytes] = field(repr=False)
    fetched: datetime
    length: int | None = None
    sha1: str | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """The answer to an availability query.

    ``relation``: a treatment relation exists or existed. ``services``: numbers of the services for which data are made
    available. ``reasons``: for each asked service that is not in ``services``, why. ``birth_date`` as the source has
    it, for the age rules of the gateway (the adapter does not apply them). ``patients``: the ids of the person here.
    ``name``: what the source calls the person, in one line, for the consent page; None when it does not say.
    """

    relation: bool
    services: frozenset[str] = frozenset()
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    birth_date: date | None = field(default=None, repr=False)
    patients: frozenset[str] = field(default=frozenset(), repr=False)
    name: str | None = field(default=None, repr=False)


# -- what an adapter can deliver ---------------------------------------------------------------------------------------


class CoverageLevel(StrEnum):
    """How much of a request row a source can deliver."""

    DELIVERABLE = "deliverable"
    PARTLY = "partly"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a row can be delivered, and in a few words what is missing when it is not all of it."""

    level: CoverageLevel
    text: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can deliver, before anyone asks: printed by ``gateway adapters probe``, used to plan a fan-out.

    ``rows`` by (standard id, rule id) goes before ``types`` by (FHIR version, resource type), and that before
    ``otherwise``. A source is not asked for a row whose level is ``no``.
    """

    rows: Mapping[tuple[str, str], Coverage] = field(default_factory=dict)
    types: Mapping[tuple[FhirVersion, str], Coverage] = field(default_factory=dict)
    otherwise: Coverage = Coverage(CoverageLevel.NO)

    def of(self, standard: str, rule: str, version: FhirVersion, resource_type: str) -> Coverage:
        """The coverage of one request row."""
        row = self.rows.get((standard, rule))
        return row or self.types.get((version, resource_type)) or self.otherwise


# -- the three methods -------------------------------------------------------------------------------------------------


class Adapter(Protocol):
    """One source of one provider. Made once per process, used by many requests at once: no state per request."""

    name: str
    """The source's name in the configuration: part of every key, shown to people as the source of a section."""

    capabilities: Capabilities
    """What can be delivered as far as is known without asking the source. May be replaced by a probe."""

    async def find(self, query: AdapterQuery) -> Batch:
        """Collect what may answer one request row (``search-type`` or ``operation``).

        Returns a `Batch`: all the resources of the patient that the search could match, with what ``_include``
        reaches, in the FHIR version of the query, and gaps for parts that failed. A person whom the source does not
        know gives an empty batch with one gap, reason ``no-relation``. A row outside `capabilities` gives one gap
        ``not-offered``.

        Raises `AdapterDown` (nothing could be fetched before the deadline), `AdapterGarbage` (what came cannot be
        read), `AdapterRefused` (the source does not let us in), `WrongPatient` (an incident; nothing is returned).
        """
        ...

    async def available(self, query: AvailabilityQuery) -> Availability:
        """Say whether the person is known here and which services have data made available (AVL-01).

        An unknown person is an answer (``relation=False``), not an error. Raises `AdapterDown`, `AdapterGarbage` and
        `AdapterRefused` as above: the gateway then says that it does not know, never that there is nothing.
        """
        ...

    async def read(self, query: AdapterQuery) -> Batch | Content:
        """Fetch one resource by the source's id (``query.type``, ``query.id``), or the bytes of a ``Binary``.

        A `Batch` holds the resource, or nothing when there is none **for this patient**: unknown, deleted and
        somebody else's are one and the same answer. A ``Binary`` is returned only when a document of the
        patient points at it. Raises as `find`.
        """
        ...


@runtime_checkable
class Probes(Protocol):
    """For an adapter that learns what its source can do by asking it (a CapabilityStatement, a schema)."""

    async def probe(self, deadline: float) -> Capabilities:
        """Ask the source, keep the answer as `Adapter.capabilities` and return it. Raises `AdapterError`."""
        ...


@runtime_checkable
class Closes(Protocol):
    """For an adapter that holds connections."""

    async def aclose(self) -> None:
        """Give up all connections; the adapter is not used again."""
        ...


# -- errors ------------------------------------------------------------------------------------------------------------
#
# AdapterError
#   AdapterDown           not reached, not in time, or cut off: asking again may help
#   AdapterGarbage        reached, but the answer cannot be read or breaks a limit
#   AdapterRefused        reached, but it does not let us in: an operator must act
#   WrongPatient          an answer that holds another patient's data: an incident
#   AdapterMisconfigured  the settings or mapping cannot work: at start, never during a request


class AdapterError(Exception):
    """A source could not answer. ``text`` may be shown to anyone; ``cause`` is for our own log only."""

    reason: ClassVar[Reason] = Reason.SOURCE_DOWN

    def __init__(self, text: str, *, cause: object = None, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.cause = cause
        self.retry_after = retry_after

    def gap(self, what: str) -> Gap:
        """The same, as a missing part of a larger answer."""
        return Gap(what, self.reason, self.text, self.retry_after)


class AdapterDown(AdapterError):
    """The source was not reached, did not answer in time, or broke off."""


class AdapterGarbage(AdapterError):
    """The source answered something that cannot be read, or more than the limits allow."""


class AdapterRefused(AdapterError):
    """The source does not let the gateway in (login, certificate, rights)."""


class WrongPatient(AdapterError):
    """The source answered with data of another patient: nothing of the answer may leave, be stored or cached."""


class AdapterMisconfigured(AdapterError):
    """Settings or a mapping that cannot work; ``text`` names the place for the operator."""


@asynccontextmanager
async def in_time(query: AdapterQuery | AvailabilityQuery, headroom: float = 0.0) -> AsyncIterator[None]:
    """Run a block until ``headroom`` seconds before the query's deadline. Raises `AdapterDown` when time is up."""
    seconds = query.remaining() - headroom
    if seconds <= 0:
        raise AdapterDown("the source did not answer in time")
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise AdapterDown("the source did not answer in time", cause=error) from error
