"""What becomes of one resource at a receiver: shown, seen only by reference, without a name, dropped, or worse."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from profiles.fhir.tree import Resource, claimed_profiles
from profiles.fhir.version import FhirVersion
from profiles.receivers.load import Receiver
from profiles.record.walk import values


class Outcome(StrEnum):
    """The fates of a resource, from good to bad. Without a parser nobody here can help it."""

    SHOWN = "shown"
    REFERENCE = "by reference"
    NAMELESS = "nameless"
    UNREAD = "no parser"
    DROPPED = "dropped"
    LIST_LOST = "list lost"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a resource, and why, in one line for a tester."""

    outcome: Outcome
    why: str
    profile: str = ""
    """The claim that decided; empty when none did."""

    @property
    def good(self) -> bool:
        """Whether the person gets to see it as far as its kind can be seen at all."""
        return self.outcome in (Outcome.SHOWN, Outcome.REFERENCE)


def judge(receiver: Receiver, resource: Resource, version: FhirVersion) -> Fate:
    """The fate of a resource, by its claims and by the elements that would make its title."""
    known = receiver.known[version]
    claims = claimed_profiles(resource)
    compared = claims if receiver.exact else [claim.partition("|")[0] for claim in claims]
    if found := _first(compared, known.shown):
        return _titled(receiver, resource, found)
    if found := _first(compared, known.reference):
        return Fate(Outcome.REFERENCE, "seen where another resource points at it", found)
    if found := _first(compared, known.unread):
        return Fate(Outcome.UNREAD, "asked for, but the receiver has no parser for it", found)
    every = {claim.lower() for claim in (*known.shown, *known.reference)}
    for claim in claims:
        if claim.lower() in every:
            return Fate(Outcome.LIST_LOST, "the address of the profile differs in case", claim)
        if claim.partition("|")[0].lower() in every:
            return Fate(Outcome.DROPPED, "the address of the profile has a version", claim)
    return Fate(Outcome.DROPPED, "no profile is claimed" if not claims else "no claimed profile is known", "")


def _titled(receiver: Receiver, resource: Resource, profile: str) -> Fate:
    paths = receiver.titles.get(str(resource.get("resourceType")), ())
    texts = (one for path in paths for one in values(resource, path))
    if not paths or any(isinstance(one, str) and one.strip() for one in texts):
        return Fate(Outcome.SHOWN, "in a list of its own", profile)
    return Fate(Outcome.NAMELESS, f"its title is empty: none of {', '.join(paths)}", profile)


def _first(claims: Iterable[str], known: Iterable[str]) -> str:
    wanted = frozenset(known)
    return next((one for one in claims if one in wanted), "")
