"""ShareSettling what is sent: whose it is, what it points at, its files, its profile. Nothing is stored here.

The rules are those of everything that comes in (`profiles.record`); what is special to a citizen is that one person is
known beforehand, and that every entry must be theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from gateway.problems import Problem
from gateway.quality.gate import Gate
from gateway.quality.numbers import wrong_numbers
from gateway.share.content import (
    check_claims,
    check_codes,
    check_moments,
    check_points,
    note_implausible,
)
from gateway.share.files import Scan, take_files
from gateway.share.findings import finding
from gateway.share.lifting import Lifter
from gateway.share.parcel import Item, Parcel
from gateway.share.person import compare
from gateway.share.pointing import aimed, pointers, resolve
from gateway.share.sharer import Sharer
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.outcome import Issue
from profiles.record.expect import Expectations
from profiles.record.leaving import Leaving
from profiles.record.narrative import clean
from profiles.record.neighbours import Neighbours, Owned
from profiles.record.repair import fill_display, mask_bsn, may_hold_bsn
from profiles.record.stamp import stamp
from profiles.record.walk import Key
from profiles.record.whose import mentions, patient_of, subjects
from profiles.standards.receives import Role
from profiles.validation import Finding, Report

SOURCE = "citizen"
"""How what citizens send is called among the sources of a provider, in verdicts and counts."""
SHOWN = 50
"""Most issues of one entry that are told."""


@dataclass(frozen=True, slots=True)
class ShareSettling:
    """The rules of one process. ``pixels``: the largest image; ``scan`` looks for malware, None: nobody does."""

    engine: Engine
    gate: Gate
    expected: Expectations
    leaving: Leaving
    pixels: int
    scan: Scan | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def settle(self, parcel: Parcel, sharer: Sharer, lifter: Lifter) -> None:
        """Make every entry what it is kept as, in place. Raises Problem for what refuses the whole.

        In a batch an entry that is refused has its ``fault``, and so has what points at it.
        """
        for item in parcel.of(Role.PERSON):
            compare(item, sharer)
        resolve(parcel, sharer)
        for item in parcel.items:
            if item.role not in (Role.PERSON, Role.TASK):
                _own(item, sharer)
        take_files(parcel, sharer.version, self.pixels, self.scan, lifter)
        aimed(parcel, sharer, self.engine)
        for item in parcel.items:
            if item.fault is None and item.role not in (Role.PERSON, Role.TASK):
                self._one(item, parcel, sharer)
        if parcel.together:
            refuse(parcel)
        _what_follows(parcel)

    def _one(self, item: Item, parcel: Parcel, sharer: Sharer) -> None:
        try:
            check_codes(item)
            check_claims(item, self.expected(item.resource, sharer.version))
            check_points(item)
            check_moments(item, sharer.birth_date, self.clock())
            _whose(item, sharer)
            self._mended(item, parcel, sharer)
            self._judged(item, sharer)
            note_implausible(item, sharer.receives.plausible)
            item.repairs += self.leaving(item.resource, sharer.version)
            stamp(item.resource, 1, self.clock())
            xmlio.fragment(item.resource, sharer.version)
        except FormatError as fault:
            place = f"{item.place}.resource:{fault.expression or item.rule.type}"
            item.fault = Problem(400, "structure", fault.text, expression=place)
        except Problem as fault:
            item.fault = fault
        except (TypeError, AttributeError, LookupError) as fault:
            item.fault = _misshapen(item, sharer, fault)

    def _mended(self, item: Item, parcel: Parcel, sharer: Sharer) -> None:
        """Names for what is pointed at, and no citizen service number."""
        by_key: dict[Key, Owned] = {one.key: (sharer.patient_id, one.resource) for one in parcel.items}
        by_key["Patient", sharer.patient_id] = (sharer.patient_id, sharer.patient)
        # Before the verdict: an active narrative is mended, and does not cost the citizen their measurement (DL-27).
        item.repairs += clean(item.resource)
        item.repairs += fill_display(item.resource, Neighbours(sharer.patient_id, by_key.get))
        if may_hold_bsn(jsonio.dump(item.resource), sharer.bsn):
            item.findings += wrong_numbers(item.resource)
            if masked := mask_bsn(item.resource, [sharer.bsn] if sharer.bsn else []):
                item.repairs += masked
                item.findings.append(finding("bsn-in-content", item.rule.type))

    def _judged(self, item: Item, sharer: Sharer) -> None:
        if item.rule.type == "Binary":
            return
        item.repairs += self.expected.correct(item.resource, sharer.version)
        decision = self.gate.judge(sharer.provider, SOURCE, sharer.version, item.resource)
        item.repairs += decision.repairs
        if decision.report is None:
            return
        if decision.blocked:
            raise _invalid(item, decision.report)
        item.findings += decision.report.findings


def refuse(parcel: Parcel) -> None:
    """Raise the first fault of a transaction, with all others as further issues."""
    faults = [item.fault for item in parcel.items if item.fault is not None]
    if faults:
        first = faults[0]
        more = [*first.more, *(issue for fault in faults[1:] for issue in fault.issues)]
        raise Problem(first.status, first.code, first.text, expression=first.expression, more=more[: 4 * SHOWN])


def _own(item: Item, sharer: Sharer) -> None:
    """The id is ours, and of ``meta`` only what the client may say stays."""
    resource = item.resource
    rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id", "meta")}
    meta = resource.get("meta")
    kept = {name: meta[name] for name in ("profile", "tag") if name in meta} if isinstance(meta, dict) else {}
    resource.clear()
    resource |= {"resourceType": item.rule.type, "id": item.id} | ({"meta": kept} if kept else {}) | rest


def _whose(item: Item, sharer: Sharer) -> None:
    """Every patient that an entry names is the person who logged in, and what is shared says whose it is."""
    named = {patient_of(node) for node in (*subjects(item.resource), *mentions(item.resource))} - {None}
    if named - sharer.patients:
        text = "This is about somebody else than the person who logged in."
        raise Problem(422, "business-rule", text, expression=f"{item.place}.resource")
    if item.role is Role.ITEM and not named:
        text = "The entry does not say that it is about the person who logged in."
        raise Problem(422, "business-rule", text, expression=f"{item.place}.resource")


def _invalid(item: Item, report: Report) -> Problem:
    errors = [one for one in report.findings if one.severity == "error"][:SHOWN]
    issues = [_issue(one, item) for one in errors]
    first = issues[0] if issues else Issue("error", "invariant", "The entry does not meet its profile.")
    return Problem(422, first.code, first.text, expression=first.expression, more=issues[1:])


def _issue(one: Finding, item: Item) -> Issue:
    return Issue("error", one.code, _without_value(one), f"rule {one.rule}", f"{item.place}.resource:{one.expression}")


def _without_value(one: Finding) -> str:
    """What is wrong, without what stands there: an answer is logged in more places than the request."""
    text = one.text_en
    return text.replace(one.found, "...") if len(one.found) > 2 else text


def _what_follows(parcel: Parcel) -> None:
    """What points at an entry that was refused cannot stand without it."""
    changed = True
    while changed:
        changed = False
        gone = {"/".join(item.key) for item in parcel.items if item.fault is not None}
        for item in parcel.items:
            if item.fault is None and item.role is not Role.PERSON and gone and _points_at(item, gone):
                text = "An entry that it points at was refused."
                item.fault = Problem(422, "business-rule", text, expression=f"{item.place}.resource")
                changed = True


def _points_at(item: Item, gone: set[str]) -> bool:
    return any(node[name] in gone for _, node, name in pointers(item.resource))


def _misshapen(item: Item, sharer: Sharer, fault: Exception) -> Problem:
    """The refusal of an entry that has not the shape of its type. Raises ``fault`` when it has."""
    try:
        xmlio.fragment(item.resource, sharer.version)
    except FormatError as wrong:
        place = f"{item.place}.resource:{wrong.expression or item.rule.type}"
        return Problem(400, "structure", wrong.text, expression=place)
    raise fault
