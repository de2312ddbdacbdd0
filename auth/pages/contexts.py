"""What each template may use: one typed, documented context per page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page shows around its content."""

    language: str
    provider: str | None
    """Display name of the care provider; None on general pages."""
    brand: str
    """The name on the left: the provider's, on general pages the supplier's."""
    logo: str | None
    trace_id: str
    session_id: str
    other_language: str | None
    """URL of the same page in the other language; None where there is none."""


@dataclass(frozen=True, slots=True)
class Landing:
    """Before login: where the person is going (UI-05)."""

    template: ClassVar[str] = "landing.html"
    title: ClassVar[str] = "landing.title"
    visit: str
    csrf: str
    function: str
    representing: str | None
    """Kind of representation, when somebody acts for somebody else: a value of `ports.Representation`."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Is stopping meant (UI-06)?"""

    template: ClassVar[str] = "cancel.html"
    title: ClassVar[str] = "cancel.title"
    visit: str
    csrf: str


@dataclass(frozen=True, slots=True)
class ConsentService:
    """One data service on the consent page: its parts, how much there is of each, and since when, as far as known."""

    name: str
    parts: tuple[tuple[str, int], ...]
    since: str | None
    about: str = ""
    """What it holds, in one Dutch sentence; empty when nobody said."""

    @property
    def count(self) -> int:
        """How much there is in all; 0 when it is not known of every part."""
        counts = [count for _, count in self.parts]
        return sum(counts) if all(counts) else 0

    def with_more(self, other: "ConsentService") -> "ConsentService":
        """The same with what another service of this name holds."""
        since = min((one for one in (self.since, other.since) if one), default=None)
        names = dict.fromkeys(name for name, _ in (*self.parts, *other.parts))
        parts = []
        for name in names:
            counts = [count for one, count in (*self.parts, *other.parts) if one == name]
            parts.append((name, sum(counts) if all(counts) else 0))
        return ConsentService(self.name, tuple(parts), since, self.about or other.about)


@dataclass(frozen=True, slots=True)
class ConsentGroup:
    """What stands as one line on the consent page: a service, or several of a kind that a person can open."""

    title: str | None
    """Key of the name of the group; None for a service by itself."""
    services: tuple[ConsentService, ...]


def grouped(services: Iterable[tuple[str | None, ConsentService]]) -> tuple[ConsentGroup, ...]:
    """Services with their groups as lines: a group stands where its first service does, and alone it is no group.

    Services of one name (the same building block in two FHIR releases) are one for a person.
    """
    lines: dict[str, dict[str, ConsentService]] = {}
    titles: dict[str, str] = {}
    for place, (group, service) in enumerate(services):
        line = f"groups.{group}" if group else str(place)
        if group:
            titles[line] = line
        held = lines.setdefault(line, {})
        known = held.get(service.name)
        held[service.name] = service if known is None else known.with_more(service)
    return tuple(
        ConsentGroup(titles.get(line) if len(held) > 1 else None, tuple(held.values())) for line, held in lines.items()
    )


@dataclass(frozen=True, slots=True)
class Consent:
    """The choice: consent, confirmation, subscription or its end (UI-08 to UI-11)."""

    template: ClassVar[str] = "consent.html"
    kind: str
    """Section of the catalogue: consent, confirm, subscribe or unsubscribe."""
    visit: str
    csrf: str
    groups: tuple[ConsentGroup, ...]
    absent: tuple[tuple[str, str], ...]
    """Services that were asked for and are not there: name, and key of the reason."""
    name: str | None
    """Name of the person whose data it is about, as the provider has it."""
    privacy_url: str | None
    replaces: bool
    representing: str | None
    """Kind of representation, when somebody acts for somebody else; only consent to collect knows it (REP-01)."""
    born: str | None
    """Birth date of the person whose data it is about."""
    days: int | None

    @property
    def title(self) -> str:
        """Key of the title."""
        return f"{self.kind}.title_for" if self.representing else f"{self.kind}.title"


@dataclass(frozen=True, slots=True)
class RefusedPage:
    """Why the flow stopped; only the person is told (UI-13)."""

    template: ClassVar[str] = "refused.html"
    title: str
    visit: str
    reason: str
    """Key of the explanation."""
    has_client: bool
    contact_phone: str | None


@dataclass(frozen=True, slots=True)
class FaultPage:
    """Something failed, or the request was wrong (UI-12)."""

    template: ClassVar[str] = "fault.html"
    kind: str
    """Suffix of the keys: empty, `_request`, `_session` or `_busy`."""
    link: str | None
    """Back to the client, with an OAuth error; None when the client or its redirect URI is not valid."""

    @property
    def title(self) -> str:
        """Key of the title."""
        return f"fault.title{self.kind}"


@dataclass(frozen=True, slots=True)
class MissingPage:
    """An address that leads nowhere. It says nothing of the address, and there is no number to quote: no log has it."""

    template: ClassVar[str] = "missing.html"
    title: ClassVar[str] = "missing.title"


@dataclass(frozen=True, slots=True)
class ManageLanding:
    """Before login to "Mijn toestemmingen" (kind "manage") or "Mijn gegevens" (kind "own")."""

    template: ClassVar[str] = "manage_landing.html"
    visit: str
    csrf: str
    kind: str = "manage"
    """Section of the catalogue."""
    acting: tuple[str, ...] = ()
    """Kinds of representation that the provider has switched on: for whom else somebody may read (REP-07)."""
    wrong: bool = False
    """Whether the form for somebody else was sent without saying for whom, or with a birth date that is none."""

    @property
    def title(self) -> str:
        """Key of the title."""
        return f"{self.kind}.title"


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """One lasting consent of the person."""

    family: str
    client: str
    provider: str
    services: tuple[str, ...]
    given: str
    used: str
    whom: str | None
    """Who acted for whom, in words; None when the person acted on their own."""


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One collection in the access log."""

    time: str
    client: str
    provider: str
    what: tuple[str, ...]
    whom: str | None


@dataclass(frozen=True, slots=True)
class SentLine:
    """Something that the person sent."""

    time: str
    client: str
    provider: str
    what: str
    states: tuple[tuple[str, int], ...]
    """Key of how it stands, and how much of it."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One earlier choice."""

    time: str
    client: str
    provider: str
    outcome: str
    """Key of the outcome."""
    duration: str | None
    """Key of the duration."""
    whom: str | None


@dataclass(frozen=True, slots=True)
class Manage:
    """Mijn toestemmingen: see, end, and who collected what."""

    template: ClassVar[str] = "manage.html"
    title: ClassVar[str] = "manage.title"
    visit: str
    csrf: str
    consents: tuple[ConsentLine, ...]
    others: tuple[ConsentLine, ...]
    """Consents that the person gave for somebody else."""
    accesses: tuple[AccessLine, ...]
    sent: tuple[SentLine, ...]
    history: tuple[HistoryLine, ...]
    ended: str | None
    """Name of the client whose consent was ended just now."""


@dataclass(frozen=True, slots=True)
class EndConsent:
    """Is ending a lasting consent meant?"""

    template: ClassVar[str] = "end.html"
    title: ClassVar[str] = "manage.end_title"
    visit: str
    csrf: str
    consent: ConsentLine


@dataclass(frozen=True, slots=True)
class Bye:
    """Logged out."""

    template: ClassVar[str] = "bye.html"
    title: ClassVar[str] = "manage.bye_title"
    complete: bool | None = None
    """Whether the login bridge is logged out too; None: it was not asked."""


@dataclass(frozen=True, slots=True)
class Onward:
    """A message to the login bridge that goes in a form: a button sends it, because our pages have no script."""

    template: ClassVar[str] = "onward.html"
    what: str
    """login, logout, or back: from a logout that the bridge told of."""
    action: str
    fields: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        """Key of the title."""
        return f"onward.{self.what}"


Context = (
    Landing
    | Cancel
    | Consent
    | RefusedPage
    | FaultPage
    | MissingPage
    | ManageLanding
    | Manage
    | EndConsent
    | Bye
    | Onward
)
