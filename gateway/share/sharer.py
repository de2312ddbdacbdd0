"""Who sends, on whose behalf and by which row: what every step of a share needs to know of its request."""

from dataclasses import dataclass, field
from datetime import date

from auth.grants import Grant
from gateway.problems import Problem
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.model import RequestRule, Standard
from profiles.standards.receives import Receives


@dataclass(frozen=True, slots=True)
class Sharer:
    """The person behind a token, as the provider knows them, and what their client was let in to send."""

    provider: str
    service: str
    standard: Standard
    rule: RequestRule
    grant: Grant
    bsn: str = field(repr=False)
    """The person's number; empty for test tokens by patient id."""
    patient: Resource = field(repr=False)
    """The Patient as the provider serves it."""
    patients: frozenset[str]
    """The ids of all Patient resources that are this person."""
    request_id: str
    correlation_id: str
    base: str
    """The FHIR base that the client used."""
    target: str = ""
    """The id in the address of an update."""
    if_match: str = ""
    """The version that an update expects, as the client sent it; empty: whichever there is."""
    live: bool = False
    """Whether the provider has sources that are not the store: an id that the store does not know may be theirs."""

    @property
    def version(self) -> FhirVersion:
        """The FHIR release of the service."""
        return self.standard.fhir

    @property
    def receives(self) -> Receives:
        """What the row lets in."""
        if self.rule.receives is None:
            raise Problem(405, "not-supported", "This interaction is not supported here.", headers={"allow": "GET"})
        return self.rule.receives

    def expects(self, version: int) -> bool:
        """Whether an update may replace this version (RFC 9110, section 13.1.1; FHIR writes versions as weak tags)."""
        tags = {tag.strip().removeprefix("W/").strip('"') for tag in self.if_match.split(",")}
        return not self.if_match or "*" in tags or str(version) in tags

    @property
    def patient_id(self) -> str:
        """The id of the Patient that stands in the answer."""
        return str(self.patient.get("id", ""))

    @property
    def birth_date(self) -> date | None:
        """The birth date that the provider knows; None when it is not known to the day."""
        text = self.patient.get("birthDate")
        try:
            return date.fromisoformat(text) if isinstance(text, str) else None
        except ValueError:
            return None
