"""What a grant opens: the searches of its rows, the person it is about, and nothing else; fail closed.

A search that the rows do not hold is refused, never answered narrower than it was asked (SV-01). Who it is about comes
from the grant; a request that names somebody has to name that person.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.problems import Problem
from profiles.fhir.interactions import FhirRequest
from profiles.fhir.search.search import IGNORED, compile_search
from profiles.standards.admit import Admitted, Refused, admit
from profiles.standards.model import Parameter, RequestRule, Standard

BSN_SYSTEM = "http://fhir.nl/fhir/NamingSystem/bsn"
PERSON_PARAMETER = {"Patient": "identifier", "Coverage": "beneficiary.identifier"}
"""How the patient is named in a search, by type; every other type: patient.identifier. CareTeam: not at all."""
PERSON_PARAMETERS = frozenset({"identifier", "patient", "subject", "subscriber", "beneficiary", "policy-holder"})
SHAPING = frozenset({"_include", "_revinclude", "date", "_count", "_sort", "_format", "_pretty"})
"""What may be added to a search of a row (SV-04)."""


@dataclass(frozen=True, slots=True)
class OpenGrant:
    """The data of one referral, as far as its grant goes now."""

    referral_id: str
    standard: Standard
    rows: frozenset[str]
    letters: frozenset[str]
    """Ids of the DocumentReferences that may be read."""
    compositions: frozenset[str]
    bsn: str = field(repr=False)
    ends: datetime
    withdrawn: bool = False

    def alive(self, now: datetime) -> bool:
        """Whether anything is open."""
        return not self.withdrawn and now < self.ends

    def admitted(self, request: FhirRequest, now: datetime) -> Admitted:
        """What a search of the holder comes down to. Raises Problem (403 outside the grant) and AnotherPerson."""
        if not self.alive(now):
            raise outside()
        if request.type == "DocumentReference" and request.interaction == "search-type":
            return self._letters(request)
        if request.interaction not in ("search-type", "operation") or request.id is not None:
            raise outside()
        self._same_person(request)
        asked = replace(request, query=self._about(request))
        unknown = [name for name, _ in asked.query if name.startswith("_") and name.partition(":")[0] not in SHAPING]
        if unknown:
            raise Problem(400, "not-supported", "A parameter of this search is not supported here.")
        try:
            return admit(self._granted, asked)
        except Refused as fault:
            if fault.status == 400 and fault.parameter and fault.parameter not in self._parameters(request):
                raise Problem(400, "not-supported", "A parameter of this search is not supported here.") from fault
            raise outside() from fault

    def may_read(self, type_: str, id_: str, now: datetime) -> bool:
        """Whether a letter or a message of the handoff is named by the grant. A Binary is reached by its letter."""
        return self.alive(now) and id_ in {"DocumentReference": self.letters, "Composition": self.compositions}.get(
            type_, frozenset()
        )

    @property
    def _granted(self) -> Standard:
        # What a client leaves out may never be filled in here: that would be an answer to another question.
        rules = tuple(
            replace(rule, expected={}, tolerant=False) for rule in self.standard.rules if rule.id in self.rows
        )
        return replace(self.standard, rules=rules, reads={})

    def _parameters(self, request: FhirRequest) -> frozenset[str]:
        return frozenset(
            one.name for rule in self._granted.rules if rule.type == request.type for one in rule.parameters
        )

    def _same_person(self, request: FhirRequest) -> None:
        """SV-03: who names a person names the one of the grant, once and plainly."""
        named = [
            (name, value)
            for name, value in request.query
            if name.partition(":")[0].partition(".")[0] in PERSON_PARAMETERS or name.partition(":")[0] == "_id"
        ]
        for name, value in named:
            plain = name in ("identifier", "patient.identifier", "subscriber.identifier", "beneficiary.identifier")
            if not plain or value != f"{BSN_SYSTEM}|{self.bsn}" or len(named) > 1:
                raise AnotherPerson

    def _about(self, request: FhirRequest) -> tuple[tuple[str, str], ...]:
        """The query with the person of the grant in the words of the rows (SV-02)."""
        kept = tuple(
            pair for pair in request.query if pair[0].partition(":")[0].partition(".")[0] not in PERSON_PARAMETERS
        )
        if request.type == "CareTeam":
            return kept
        name = PERSON_PARAMETER.get(request.type or "", "patient.identifier")
        return ((name, f"{BSN_SYSTEM}|{self.bsn}"), *kept)

    def _letters(self, request: FhirRequest) -> Admitted:
        self._same_person(request)
        query = [pair for pair in self._about(request) if not pair[0].endswith("identifier")]
        query = [pair for pair in query if pair[0] not in IGNORED]
        if not self.letters or query != [("status", "current")]:
            raise outside()
        wanted = [*query, ("_id", ",".join(sorted(self.letters)))]
        return Admitted(letters_rule(), compile_search(request.version, "DocumentReference", wanted), tuple(query))


class AnotherPerson(Exception):
    """A request within a grant that names somebody else: refused, and worth an alarm."""


def outside() -> Problem:
    """The one refusal for whatever a grant does not open, and for one that is no more."""
    return Problem(403, "forbidden", "This is not part of what was granted.")


def letters_rule() -> RequestRule:
    """The row of correspondence: it is in no public script, so it is no row of a standard."""
    return RequestRule(
        id="correspondence",
        usecase="serve",
        method="GET",
        path="DocumentReference",
        interaction="search-type",
        type="DocumentReference",
        operation=None,
        on_instance=False,
        required=(Parameter("status", "current"),),
        optional=(),
        profiles=("http://nictiz.nl/fhir/StructureDefinition/IHE.MHD.Minimal.DocumentReference",),
        included_profiles={},
        answer="all",
        name_nl="Brieven",
        name_en="Letters",
        zibs=(),
    )


def row_ids(text: str) -> frozenset[str]:
    """Ids as the store keeps them."""
    return frozenset(text.split())


def kept(ids: Sequence[str]) -> str:
    """Ids for the store."""
    return " ".join(ids)
