"""What a browser sends from the demo PGO: the kinds, and the sendings under way; in memory, and bounded."""

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from workbench.pgo.client import PgoClient
from workbench.pgo.oauth import PendingAuthorization, PgoError
from workbench.pgo.parcels import PARCELS, correction, weights
from workbench.pgo.sharing import ShareAnswer

MOST, SECONDS = 200, 1800
_WEIGHT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,2})?")


class BadWords(ValueError):
    """What was filled in cannot be sent; the text says why, in Dutch."""


@dataclass(frozen=True, slots=True)
class DemoParcel:
    """What is sent."""

    title: str
    service: str
    version: FhirVersion
    bundle: Resource

    @property
    def resources(self) -> Sequence[Resource]:
        """What is in it."""
        return [one["resource"] for one in self.bundle["entry"]]


@dataclass(frozen=True, slots=True)
class SendingKind:
    """A kind of thing that can be sent: the standard that a provider must have, and what makes it of a form."""

    name: str
    title: str
    standard: str
    make: Callable[[Mapping[str, str]], Resource]

    def parcel(self, form: Mapping[str, str]) -> DemoParcel:
        """The parcel of a form. Raises BadWords."""
        example = PARCELS[self.name]
        return DemoParcel(self.title, example.service, example.version, self.make(form))


def _weights(form: Mapping[str, str]) -> Resource:
    values = [one.replace(",", ".") for one in form.get("weights", "").split()]
    if not values or len(values) > 50 or not all(_WEIGHT.fullmatch(one) for one in values):
        raise BadWords("Vul uw gewicht in kilo's in, bijvoorbeeld 72,5. Meer metingen zet u achter elkaar.")
    return weights(_name(form), values)


def _correction(form: Mapping[str, str]) -> Resource:
    text = form.get("text", "").strip()
    if not text:
        raise BadWords("Schrijf wat er in uw dossier moet veranderen.")
    return correction(_name(form), text[:2_000])


def _name(form: Mapping[str, str]) -> str:
    return form.get("name", "").strip()[:100] or "Ikzelf"


KINDS = (
    SendingKind("weights", "Mijn gewicht", "selfmeasurements-2", _weights),
    SendingKind("document", "Een brief (PDF)", "pdfa-3", lambda form: PARCELS["document"].make(_name(form))),
    SendingKind("photo", "Een foto", "images-2", lambda form: PARCELS["photo"].make(_name(form))),
    SendingKind("correction", "Een verzoek om mijn dossier te verbeteren", "patientcorrections-1", _correction),
)


@dataclass
class Sending:
    """One thing that one browser sends."""

    id: str
    owner: str
    asked: PendingAuthorization
    parcel: DemoParcel
    begun: float = field(default_factory=time.monotonic)
    answer: ShareAnswer | None = None
    problem: str = ""


class Sendings:
    """Every sending in this process."""

    def __init__(self, pgo: Callable[[], PgoClient]) -> None:
        self._pgo = pgo
        self._kept: dict[str, Sending] = {}

    def begin(self, owner: str, asked: PendingAuthorization, parcel: DemoParcel) -> Sending:
        """A new one of this browser; the oldest make room."""
        now = time.monotonic()
        self._kept = {id_: one for id_, one in self._kept.items() if now - one.begun < SECONDS}
        while len(self._kept) >= MOST:
            self._kept.pop(next(iter(self._kept)))
        sending = Sending(secrets.token_urlsafe(12), owner, asked, parcel)
        self._kept[sending.id] = sending
        return sending

    def find(self, id_: str, owner: str) -> Sending | None:
        """One of this browser."""
        sending = self._kept.get(id_)
        return sending if sending is not None and secrets.compare_digest(sending.owner, owner) else None

    async def answered(self, answer: Mapping[str, str], owner: str) -> Sending | None:
        """The browser came back: send it. None when this answer is of no sending of this browser."""
        state = answer.get("state", "")
        mine = (one for one in self._kept.values() if one.owner == owner and one.answer is None and not one.problem)
        sending = next((one for one in mine if secrets.compare_digest(one.asked.state.encode(), state.encode())), None)
        if sending is None:
            return None
        try:
            tokens = await self._pgo().redeem(sending.asked, dict(answer))
            body = jsonio.dump(sending.parcel.bundle)
            sending.answer = await self._pgo().share(tokens, sending.parcel.service, body, sending.parcel.version)
        except PgoError as error:
            sending.problem = str(error)
        except httpx.HTTPError:
            sending.problem = "De zorgaanbieder antwoordt niet. Probeer het later opnieuw."
        return sending
