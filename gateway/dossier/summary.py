"""The top of a dossier: the next appointment, what matters in an emergency, and where the record contradicts itself.

The rows of ``summary.toml`` say what stands there. Nothing is left out in silence: what no longer applies is counted,
and a part that did not come is said to be missing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from msgspec import field

from gateway.dossier.answer import DossierAnswer
from gateway.dossier.moments import is_past, when
from gateway.dossier.paths import values
from gateway.dossier.speech import label, said
from gateway.dossier.tables import lines
from gateway.dossier.words import UNKNOWN, moment
from profiles.fhir.tree import Resource
from profiles.rows import Row, read

RULES = Path(__file__).parent / "summary.toml"


@dataclass(frozen=True, slots=True)
class SummaryItem:
    """One line: what it is, and a little more about it."""

    title: str
    details: str


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One subject of the summary. ``missing``: it was asked for, and (a part of it) did not come."""

    id: str
    title: str
    items: tuple[SummaryItem, ...]
    past: int
    missing: bool
    none: str


@dataclass(frozen=True, slots=True)
class NextAppointment:
    """The first appointment from today on."""

    moment: str
    what: str
    whom: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands on top."""

    contradictions: tuple[str, ...]
    appointment: NextAppointment | None
    lines: tuple[SummaryLine, ...]


class SubjectRow(Row, frozen=True):
    """``[[line]]`` of summary.toml, whose head says what each key means."""

    id: str
    title: str
    none: str
    types: tuple[str, ...]
    shown: str
    status: str
    details: tuple[tuple[str, str], ...] = ()
    profiles: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    verified: str | None = None
    ends: str | None = None
    unnamed: str = UNKNOWN


class ContradictionRow(Row, frozen=True):
    """``[[contradiction]]``: what one element says in two ways, or what is denied and is there all the same."""

    line: str
    text: str
    said: str = ""
    denied: str = field(default="", name="except")


class SummaryRows(Row, frozen=True):
    """summary.toml."""

    line: tuple[SubjectRow, ...]
    contradiction: tuple[ContradictionRow, ...]


def summary_of(answers: Sequence[DossierAnswer], today: date) -> Summary:
    """The summary of everything that came; a subject that nobody asked for has no line."""
    rules = _rules()
    held = {rule.id: list(_held(rule, answers)) for rule in rules.line}
    asked = (rule for rule in rules.line if any(one.type in rule.types for one in answers))
    return Summary(
        tuple(dict.fromkeys(_contradictions(rules, held, today))),
        _next_appointment(answers, today),
        tuple(_line(rule, held[rule.id], answers, today) for rule in asked),
    )


@lru_cache(maxsize=1)
def _rules() -> SummaryRows:
    return read(RULES, SummaryRows)


def _held(rule: SubjectRow, answers: Iterable[DossierAnswer]) -> Iterator[Resource]:
    """Each resource once, however many data services brought it."""
    seen = set()
    for answer in answers:
        for resource in answer.resources:
            key = (answer.version, resource["resourceType"], resource.get("id") or id(resource))
            if _meant(rule, resource) and key not in seen:
                seen.add(key)
                yield resource


def _meant(rule: SubjectRow, resource: Resource) -> bool:
    if resource["resourceType"] not in rule.types:
        return False
    wanted = rule.profiles
    claimed = {str(url).rsplit("/", 1)[-1] for url in resource.get("meta", {}).get("profile", [])}
    # A resource that claims nothing is not left out for that.
    return not wanted or not claimed or not claimed.isdisjoint(wanted)


def _line(rule: SubjectRow, held: list[Resource], answers: Sequence[DossierAnswer], today: date) -> SummaryLine:
    asked = [one for one in answers if one.type in rule.types]
    now = [one for one in held if applies(rule, one, today)]
    told = {_item(rule, one): None for one in sorted(now, key=when, reverse=True)}
    missing = any(one.problems for one in asked)
    return SummaryLine(rule.id, label(rule.title), tuple(told), len(held) - len(now), missing, label(rule.none))


def _item(rule: SubjectRow, resource: Resource) -> SummaryItem:
    told = [(before, ", ".join(lines(resource, path))) for before, path in rule.details]
    return SummaryItem(_title(rule, resource), "; ".join(label(before) + text for before, text in told if text))


def _title(rule: SubjectRow, resource: Resource) -> str:
    return ", ".join(lines(resource, rule.shown)) or label(rule.unnamed)


def applies(rule: SubjectRow, resource: Resource, today: date) -> bool:
    """Whether something still applies, as far as its source says: what is unknown stays on top."""
    if _codes(resource, rule.status) & {*rule.past, *rule.never}:
        return False
    if rule.verified and _codes(resource, rule.verified) & set(rule.never):
        return False
    ends = values(resource, rule.ends) if rule.ends else []
    return not any(isinstance(end, str) and is_past(end, today) for end in ends)


def _codes(resource: Resource, path: str) -> set[str]:
    found: set[str] = set()
    for value in values(resource, path):
        codings = value.get("coding", []) if isinstance(value, dict) else [{"code": value}]
        found |= {str(coding.get("code")) for coding in codings}
    return found


def _contradictions(rules: SummaryRows, held: Mapping[str, list[Resource]], today: date) -> Iterator[str]:
    by_id = {rule.id: rule for rule in rules.line}
    for row in rules.contradiction:
        rule, found = by_id[row.line], held[row.line]
        if row.denied:
            yield from _denied(row, rule, [one for one in found if applies(rule, one, today)])
        else:
            yield from _disagreeing(row, rule, found, today)


def _disagreeing(row: ContradictionRow, rule: SubjectRow, found: list[Resource], today: date) -> Iterator[str]:
    """Several resources, or one, that say different things of the same."""
    groups: dict[str, list[Resource]] = {}
    for resource in found:
        if title := ", ".join(lines(resource, rule.shown)):
            groups.setdefault(title.casefold(), []).append(resource)
    for group in groups.values():
        if not any(applies(rule, one, today) for one in group):
            continue
        # Of what is about whether it applies, what is past counts; of anything else only what applies does.
        judged = group if row.said == rule.status else [one for one in group if applies(rule, one, today)]
        values_told: dict[str, str] = {}
        for resource in sorted(judged, key=when):
            for value in lines(resource, row.said):
                values_told.setdefault(value.casefold(), f"‘{value}’{_dated(resource)}")
        if len(values_told) > 1:
            text = said("and").join(values_told.values())
            yield label(row.text).format(title=f"‘{_title(rule, group[0])}’", values=text)


def _denied(row: ContradictionRow, rule: SubjectRow, found: list[Resource]) -> Iterator[str]:
    """Something says that there is nothing, and something else is there."""
    others = [one for one in found if row.denied not in _codes(one, rule.shown)]
    if others and len(others) < len(found):
        named = dict.fromkeys(f"‘{_title(rule, one)}’" for one in others)
        yield label(row.text).format(title="", values=", ".join(named))


def _dated(resource: Resource) -> str:
    day = moment(when(resource)[:10])
    return f" ({day})" if day else ""


def _next_appointment(answers: Iterable[DossierAnswer], today: date) -> NextAppointment | None:
    coming = [
        appointment
        for answer in answers
        for appointment in answer.resources
        if appointment["resourceType"] == "Appointment"
        and appointment.get("status") not in ("cancelled", "noshow", "entered-in-error")
        and appointment.get("start")
        and not is_past(str(appointment["start"]), today)
    ]
    if not coming:
        return None
    first = min(coming, key=lambda appointment: str(appointment["start"]))
    what = ", ".join(lines(first, "description|appointmentType|serviceType")) or said("appointment")
    return NextAppointment(moment(str(first["start"])), what, ", ".join(lines(first, "participant(PRF).actor")))
