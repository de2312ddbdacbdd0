"""Which row of a standard allows a request. What no row allows is refused, and the refusal says what is offered.

Never wider than the row: fixed values may be asked in any order and in part, includes may be left out, optional
parameters may be added. What a row names as ``expected`` may be left out: a fixed value then holds all the same.
A ``tolerant`` row takes every parameter of FHIR itself: one that the gateway knows narrows, another does nothing and
is left out of the self link.
Harmless on every search, because they only narrow, order or shape the answer: ``_id``, ``_lastUpdated``, ``_sort``,
``_format`` and ``_pretty``. ``_count`` limits only where the row offers it; elsewhere it is a page size, and there is
one page: the whole set (spec/datasets.md section 2).
"""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace

from profiles.fhir.interactions import FhirRequest
from profiles.fhir.search.search import IGNORED, Search, SearchError, bringing, compile_search, public_name
from profiles.fhir.version import FhirVersion
from profiles.standards.model import INCLUDES, RequestRule, Service, Standard
from profiles.standards.offers import GENERAL, Misfit, misfit
from profiles.standards.tolerance import kept_by

PERSON = frozenset({"patient", "subject", "beneficiary"})
"""Parameters that point at the person: not on MedMij services (IDN-06, RES-03)."""
OFFERS_SHOWN = 24


class Refused(Exception):
    """A request that the standard does not offer: HTTP status, OperationOutcome issue code and public text.

    ERR-43 to ERR-46 of spec/medmij-agreement.md section 14. The text holds no value that the client sent.
    """

    def __init__(self, status: int, issue_code: str, text: str, parameter: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.issue_code = issue_code
        self.text = text
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class PersonIdentifier:
    """The patient as named in the query of an institution. Never shown, never in a link."""

    system: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that a row allows."""

    rule: RequestRule
    search: Search | None
    """The compiled search; None for reads and writes."""
    query: tuple[tuple[str, str], ...]
    """The query for the self link: as asked, without what identifies a person."""
    within: tuple["Admitted", ...] = ()
    """For a read or an update: the searches of which it must be an answer, or (a read) be pointed at by one. Empty: any
    of the person's."""
    person: PersonIdentifier | None = None
    """The patient of the query, for standards where the query names the patient; else the token decides."""


def admit(standard: Standard, request: FhirRequest, service: Service | None = None) -> Admitted:
    """Find the row for a request; with ``service`` only among the rows of that service. Refused when there is none."""
    rules = standard.rules_of(service)
    if request.interaction == "capabilities":
        return Admitted(_synthetic("capabilities", "metadata", None, ()), None, request.query)
    if request.operation == "":
        raise Refused(400, "invalid", "This is not a FHIR request: the name of the operation is missing.")
    if request.interaction == "read":
        return _admit_read(standard, service, rules, request)
    if request.interaction not in ("search-type", "operation"):
        return _admit_write(standard, service, rules, request)
    offered = [
        rule
        for rule in rules
        if rule.interaction == request.interaction
        and rule.type == request.type
        and rule.operation == request.operation
        and rule.on_instance == (request.id is not None)
        and rule.answer != "refused"
    ]
    if not offered:
        raise _not_offered(standard.reads_of(service), rules, request)
    if request.operation == "summary":
        return _admit_summary(offered[0], request)
    if request.id is not None:
        return Admitted(offered[0], None, request.query)
    return _admit_search(standard, offered, request)


def _admit_summary(rule: RequestRule, request: FhirRequest) -> Admitted:
    """A document about the person of the token: no parameter can name another."""
    _refuse_person(request)
    names = {one.name for one in rule.parameters} | IGNORED
    for name, _ in request.query:
        if name not in names:
            shown = public_name(name)
            raise Refused(400, "not-supported", f"Parameter {shown} is not supported on a summary.", shown)
    return Admitted(rule, None, request.query)


def _synthetic(name: str, path: str, resource_type: str | None, profiles: tuple[str, ...]) -> RequestRule:
    """A row for what every standard offers without saying so: metadata, and reads by id."""
    return RequestRule(
        id=name if resource_type is None else f"{name}-{resource_type}",
        usecase="",
        method="GET",
        path=path,
        interaction=name,
        type=resource_type,
        operation=None,
        on_instance=resource_type is not None,
        required=(),
        optional=(),
        profiles=profiles,
        included_profiles={},
        answer="one",
        name_nl=resource_type or "Mogelijkheden",
        name_en=resource_type or "Capabilities",
        zibs=(),
    )


def reading_patient(version: FhirVersion) -> RequestRule:
    """A row for looking up who the person of a token is, where a service sends and reads nothing else."""
    profiles = {FhirVersion.STU3: "nl-core-patient", FhirVersion.R4: "nl-core-Patient"}[version]
    base = {FhirVersion.STU3: "http://fhir.nl/fhir", FhirVersion.R4: "http://nictiz.nl/fhir"}[version]
    row = _synthetic("search-type", "Patient", "Patient", (f"{base}/StructureDefinition/{profiles}",))
    return replace(row, id="patient", on_instance=False, name_nl="Persoonsgegevens", name_en="Personal details")


def _admit_read(
    standard: Standard, service: Service | None, rules: Sequence[RequestRule], request: FhirRequest
) -> Admitted:
    reads = standard.reads_of(service)
    for name, _ in request.query:
        if name not in IGNORED:
            shown = public_name(name)
            raise Refused(400, "not-supported", f"Parameter {shown} is not supported on reading one resource.", shown)
    within = tuple(whole_search(standard, rule) for rule in rules if rule.secondary and request.type in rule.types)
    for rule in rules:
        if rule.interaction == "read" and rule.type == request.type and rule.answer != "refused":
            return Admitted(rule, None, request.query, _within(standard, rule) or within)
    if request.type is not None and request.type in reads:
        rule = _synthetic("read", f"{request.type}/{{id}}", request.type, reads[request.type])
        return Admitted(rule, None, request.query, within)
    raise _not_offered(reads, rules, request)


def whole_search(standard: Standard, rule: RequestRule) -> Admitted:
    """The search of a row as it stands, with all that it can bring; what a client would fill in does not narrow it."""
    query = tuple((one.name, one.value) for one in rule.required if not one.is_include and not one.is_open)
    found = compile_search(standard.fhir, rule.type or "", query, rule.operation)
    return Admitted(rule, bringing(found, ((one.name, one.value) for one in (*rule.includes, *rule.brings))), query)


def _within(standard: Standard, rule: RequestRule) -> tuple[Admitted, ...]:
    return (whole_search(standard, standard.rule(rule.within)),) if rule.within else ()


def _admit_write(
    standard: Standard, service: Service | None, rules: Sequence[RequestRule], request: FhirRequest
) -> Admitted:
    for rule in rules:
        if rule.interaction == request.interaction and rule.type == request.type and rule.answer != "refused":
            return Admitted(rule, None, request.query, _within(standard, rule))
    raise _not_offered(standard.reads_of(service), rules, request)


def _not_offered(reads: Container[str], rules: Sequence[RequestRule], request: FhirRequest) -> Refused:
    known = {rule.type for rule in rules}
    if request.type is not None and request.type not in known and request.type not in reads:
        return Refused(404, "not-supported", "This resource type is not part of this data service.")
    if request.interaction == "read":
        return Refused(404, "not-supported", f"Reading {request.type} is not part of this data service.")
    if request.interaction == "operation":
        return Refused(404, "not-supported", f"This operation on {request.type} is not part of this data service.")
    if request.interaction == "search-type":
        return Refused(404, "not-supported", f"Searching {request.type} is not part of this data service.")
    return Refused(405, "not-supported", "This interaction is not part of this data service.")


# Searches


def _admit_search(standard: Standard, offered: Sequence[RequestRule], request: FhirRequest) -> Admitted:
    query = kept_by(offered, request)
    if standard.patient_from == "token":
        _refuse_person(request)
    names = {one.name for rule in offered for one in rule.parameters} | GENERAL
    for name, _ in query:
        if name not in names and name.partition(":")[0] not in INCLUDES and not offered[0].tolerant:
            shown = public_name(name)
            raise Refused(
                400, "not-supported", f"Search parameter {shown} is not supported here. {_offer(offered)}", shown
            )
    fitting: list[tuple[tuple[int, int], RequestRule]] = []
    misfits: list[Misfit] = []
    for rule in offered:
        wrong = misfit(rule, query)
        if wrong is None:
            asked = sum(1 for name, _ in query if name.partition(":")[0] in INCLUDES)
            filters = sum(1 for one in rule.required if not one.is_include)
            fitting.append(((filters, asked - len(rule.includes)), rule))
        else:
            misfits.append(wrong)
    if not fitting:
        raise _misfit_refusal(offered, misfits)
    rule = max(fitting, key=lambda one: one[0])[1]
    person_names = {one.name for one in rule.required if one.is_person}
    kept = tuple(pair for pair in query if pair[0] not in person_names)
    # What the standard requires and the client left out holds as well, and the self link says so.
    asked_names = {name for name, _ in query}
    kept += tuple(pair for pair in rule.fixed if pair[0] not in asked_names)
    counts = any(one.name == "_count" for one in rule.parameters)
    if not counts:
        _page_sizes(query)
    try:
        pairs = [pair for pair in kept if pair[0] not in IGNORED and (counts or pair[0] != "_count")]
        search = compile_search(request.version, rule.type or "", pairs, rule.operation)
    except SearchError as error:
        raise Refused(400, error.issue_code, error.text, error.parameter) from error
    search = bringing(search, ((one.name, one.value) for one in rule.brings))
    return Admitted(rule, search, kept, person=_person(query, person_names))


def _page_sizes(query: Sequence[tuple[str, str]]) -> None:
    """Refuse a page size that is no number: it changes nothing here, and what cannot be meant is told all the same."""
    if any(name == "_count" and not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) for name, value in query):
        raise Refused(400, "value", "Parameter _count is a whole number, 0 or more.", "_count")


def _refuse_person(request: FhirRequest) -> None:
    for name, _ in request.query:
        base = re.split(r"[:.]", name, maxsplit=1)[0]
        if base in PERSON or (base == "identifier" and request.type == "Patient"):
            text = f"Leave out parameter {base}: the access token says whose data these are."
            raise Refused(400, "not-supported", text, base)


def _person(query: Sequence[tuple[str, str]], names: set[str]) -> PersonIdentifier | None:
    given = [(name, value) for name, value in query if name in names]
    if not given:
        return None
    if len(given) > 1:
        # Two patients at once would be nobody; taking the first would answer something else than was asked.
        name = given[0][0]
        raise Refused(400, "value", f"Parameter {name} may be given once.", name)
    system, _, identifier = given[0][1].partition("|")
    return PersonIdentifier(system, identifier)


def _misfit_refusal(offered: Sequence[RequestRule], misfits: Sequence[Misfit]) -> Refused:
    """The refusal that helps most: a wrong value when the parameters were there, else what is missing."""
    wrong = next((one for one in misfits if one.kind == "value"), None)
    if wrong is not None:
        if wrong.parameter in INCLUDES:
            includes = ", ".join(dict.fromkeys(str(one) for rule in offered for one in rule.includes)) or "none"
            text = f"This value of parameter {wrong.parameter} is not offered here. Offered: {includes}."
            return Refused(400, "not-supported", text, wrong.parameter)
        text = f"The value of parameter {wrong.parameter} is not offered here. {_offer(offered)}"
        return Refused(400, "value", text, wrong.parameter)
    missing = misfits[0].parameter
    return Refused(400, "required", f"Parameter {missing} is required. {_offer(offered)}", missing)


def _offer(offered: Sequence[RequestRule]) -> str:
    """What is offered, for people. Only text of our own rows."""
    path = offered[0].path
    queries = list(dict.fromkeys(rule.query for rule in offered))
    shown = "; ".join(f"{path}?{query}" if query else path for query in queries[:OFFERS_SHOWN])
    return f"Offered: {shown}." if len(queries) <= OFFERS_SHOWN else f"Offered, among others: {shown}."
