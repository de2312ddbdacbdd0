"""From tasks to changes: ids, patient, normalisation and verdict are settled here, before anything is written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256

from sqlalchemy import Engine

from auth.crypto import KeyRing, Pseudonyms
from gateway.collect.normalise import (
    BSN_SYSTEMS,
    Repair,
    claim_profile,
    fill_display,
    find_bsn,
    mask_bsn,
    resolve_urns,
)
from gateway.intake.documents import Documents
from gateway.intake.place import OWNER_ELEMENTS, links, place
from gateway.intake.read import Item
from gateway.intake.refusal import Refusal, refusal
from gateway.intake.tasks import Key, Names, Push, Task, identifiers, set_id
from gateway.quality.gate import Gate
from gateway.quality.settings import Policy
from gateway.store.engine import reading
from gateway.store.known import Known, Row, by_identifier, contents_of, known
from profiles.fhir import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource, local_reference, references
from profiles.fhir.version import FhirVersion
from profiles.validation import Finding, Report

Expected = Callable[[Resource, FhirVersion], Sequence[str]]


@dataclass(slots=True)
class Change:
    """One resource as it will be stored, or (``deleted``) not be served any more."""

    task: Task
    patient_id: str
    before: Row | None
    deleted: bool = False
    json: bytes = b""
    xml: bytes = b""
    digest: bytes = b""
    original: bytes = b""
    format: str = "json"
    links: frozenset[Key] = frozenset()
    tokens: frozenset[str] = frozenset()
    repairs: Sequence[Repair] = ()
    content: bytes | None = None
    report: Report | None = None
    findings: Sequence[Finding] = ()
    """Of validation, and of the document that a DocumentReference brings."""
    blocked: bool = False
    bsn: str | None = None
    birth_date: date | None = None

    @property
    def key(self) -> Key:
        """Type and id."""
        return self.task.key

    @property
    def same(self) -> bool:
        """Whether the store has exactly this already."""
        if self.before is None:
            return self.deleted
        if self.deleted:
            return self.before.deleted
        return not self.before.deleted and self.before.digest == self.digest


@dataclass(slots=True)
class Plan:
    """What will be written, and what was kept out, each with its task."""

    push: Push
    changes: list[Change] = field(default_factory=list)
    existing: list[tuple[Task, Row]] = field(default_factory=list)
    """What a conditional create found, and what only had to be there."""
    blocked: list[Change] = field(default_factory=list)
    known: Known = field(default_factory=Known)
    watched: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans the pushes of one source."""

    engine: Engine
    provider: str
    source: str
    patients_of: frozenset[str]
    expected: Expected
    gate: Gate
    pseudonyms: Pseudonyms
    ring: KeyRing

    def plan(self, push: Push) -> Plan:
        """Settle everything about a push. A task that cannot be carried out gets its refusal.

        Raises SQLAlchemyError when the store does not answer.
        """
        work = _Planning(self, push)
        work.read()
        return work.settle()

    def token(self, type_: str, system: str, value: str) -> str:
        """The keyed hash by which an identifier is found."""
        return self.pseudonyms.of(sha256(f"{type_}|{system}|{value}".encode()).hexdigest())


class _Planning:
    """One push on its way from tasks to changes."""

    def __init__(self, planner: Planner, push: Push) -> None:
        self.planner = planner
        self.push = push
        self.version = push.version
        self.plan = Plan(push)
        self.repairs: dict[Key, list[Repair]] = {}
        self.hints: dict[Key, str] = {}
        self.labels: dict[Key, Resource] = {}
        self.documents: Documents | None = None
        self.pointing: dict[Key, list[Resource]] = {}
        """The References of each resource, as objects of it."""
        self.texts: dict[Key, bytes] = {}
        """The JSON of each resource as it came, to see at once what cannot be in it."""

    @property
    def tasks(self) -> list[Task]:
        """The tasks that were not refused."""
        return [task for task in self.push.tasks if task.refused is None]

    # --- with the store --------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Give ids, and look up all that the store must tell."""
        one = self.planner
        with reading(one.engine).connect() as self.connection:
            self._assign()
            keys = {task.key for task in self.tasks if task.id}
            wanted: set[Key] = set()
            persons: set[str] = set()
            for task in self.tasks:
                if task.resource is not None:
                    pointing = self.pointing[task.key] = list(references(task.resource))
                    self._urls(task, pointing)
                    keys |= set(links(task.resource))
                    wanted |= _without_display(pointing)
                    persons |= {one.pseudonyms.of(bsn) for _, bsn in _owners_by_bsn(task.resource)}
            self.plan.known = known(self.connection, one.provider, self.version, keys, persons)
            asked = wanted & self.plan.known.rows.keys() - {task.key for task in self.tasks}
            for key, content in contents_of(self.connection, one.provider, self.version, asked):
                self.labels[key] = jsonio.load(content)

    def _assign(self) -> None:
        names = Names(self.planner.provider, self.planner.source, self.version)
        for task in self.tasks:
            found = self._matching(task)
            if task.refused is not None:
                continue
            if found:
                task.id = found
                task.only_new = task.method == "POST"
            elif task.method == "POST":
                self._name(task, names)
            elif not task.id and task.resource is not None:
                given = task.resource.get("id")
                task.id = given if isinstance(given, str) and given else names.assign(task)
            if task.resource is not None:
                set_id(task.resource, task.id)
                if task.full_url:
                    self.push.urls[task.full_url] = task.key

    def _matching(self, task: Task) -> str:
        if task.condition is None:
            return ""
        found = self._identified(task.type, *task.condition)
        if len(found) > 1:
            task.refused = refusal(412, "multiple-matches", "more than one resource has this identifier", task.place)
        return found[0] if len(found) == 1 else ""

    def _identified(self, type_: str, system: str, value: str) -> Sequence[str]:
        one = self.planner
        token = one.token(type_, system, value)
        return by_identifier(self.connection, one.provider, self.version, one.source, type_, token)

    def _name(self, task: Task, names: Names) -> None:
        """The id of a create; one that was deleted is never brought back by creating the same again."""
        for salt in range(100):
            task.id = names.assign(task, salt)
            row = known(self.connection, self.planner.provider, self.version, [task.key]).rows.get(task.key)
            if row is None or not row.deleted:
                task.only_new = row is not None
                return
        task.refused = refusal(409, "conflict", "created and deleted too often", task.place)

    def _urls(self, task: Task, pointing: Sequence[Resource]) -> None:
        resource = task.resource or {}
        self.repairs[task.key] = resolve_urns(resource, self.push.urls) if self.push.urls else []
        for reference in pointing:
            text = reference["reference"]
            type_, mark, query = text.partition("?identifier=")
            if not mark or "/" in type_:
                continue
            system, _, value = query.partition("|")
            found = {
                other.id
                for other in self.tasks
                if other.type == type_ and other.resource and (system, value) in set(identifiers(other.resource))
            } or set(self._identified(type_, system, value))
            if len(found) != 1:
                text = "a conditional reference matches no resource, or more than one"
                task.refused = refusal(412, "multiple-matches", text, task.place or task.type)
                return
            reference["reference"] = f"{type_}/{found.pop()}"
            self.repairs[task.key].append(Repair("reference-from-identifier", task.type))

    # --- without the store -----------------------------------------------------------------------------------------

    def settle(self) -> Plan:
        """Place, normalise, judge; what is blocked takes with it what depends on it."""
        self._conflicts()
        self._tell_existing()
        items = self._items()
        self.documents = Documents(items, self.plan.known.documents.get)
        self.texts = {key: jsonio.dump(item.resource) for key, item in items.items()}
        for key, item in items.items():
            made = self.repairs.setdefault(key, [])
            if any(name in self.texts[key] for name in _ATTACHMENT):
                made += self.documents.own_urls(item.resource, item.urls)
        changes: dict[Key, Change] = {}
        numbers = self._numbers(items)
        tokens = {key: self._tokens(item.resource) for key, item in items.items()}
        self._owners(items, numbers)
        self._stay(items)
        while True:
            refused = self._place(items, changes, numbers, tokens)
            blocked = [change for change in changes.values() if change.blocked]
            for change in blocked:
                del changes[change.key], items[change.key]
            self.plan.blocked += blocked
            if not blocked and not refused:
                break
        self.plan.changes += changes.values()
        own = {change.key for change in self.plan.changes} | {task.key for task, _ in self.plan.existing}
        owners = {("Patient", change.patient_id) for change in self.plan.changes if change.patient_id}
        self.plan.watched = frozenset(own | owners)
        return self.plan

    def _conflicts(self) -> None:
        seen: set[Key] = set()
        for task in self.tasks:
            if not task.id:
                continue
            row = self.plan.known.rows.get(task.key)
            fault = None
            if task.key in seen:
                fault = refusal(400, "duplicate", f"{task.type}/{task.id} occurs more than once", task.place or None)
            elif row is not None and row.source != self.planner.source and not task.only_new:
                fault = refusal(409, "conflict", f"{task.type}/{task.id} belongs to another source", task.place or None)
            elif task.if_match is not None and (row is None or row.deleted or row.version != task.if_match):
                fault = refusal(412, "conflict", "the stored version is another one", task.place or None)
            seen.add(task.key)
            task.refused = fault

    def _tell_existing(self) -> None:
        for task in self.tasks:
            row = self.plan.known.rows.get(task.key)
            if task.method == "DELETE":
                patient = row.patient_id if row else ""
                self.plan.changes.append(Change(task, patient, row, deleted=True))
            elif task.only_new and row is not None and not row.deleted:
                self.plan.existing.append((task, row))

    def _items(self) -> dict[Key, Item]:
        present = {id(task) for task, _ in self.plan.existing}
        return {
            task.key: Item(task.place, self.version, task.resource, task.original, task.format, self.push.urls)
            for task in self.tasks
            if task.resource is not None and id(task) not in present
        }

    def _numbers(self, items: Mapping[Key, Item]) -> dict[str, str]:
        """The BSN of each patient: as it came along, else as it was sealed."""
        found = {}
        for patient in self.plan.known.patients.values():
            if patient.sealed_bsn is not None:
                found[patient.patient_id] = self.planner.ring.open("bsn", patient.sealed_bsn).decode()
        for key, item in items.items():
            if key[0] == "Patient" and (bsn := find_bsn(item.resource)):
                found.setdefault(key[1], bsn)
        return found

    def _tokens(self, resource: Resource) -> frozenset[str]:
        kind = str(resource.get("resourceType"))
        return frozenset(self.planner.token(kind, *pair) for pair in identifiers(resource))

    def _owners(self, items: Mapping[Key, Item], numbers: Mapping[str, str]) -> None:
        """A patient who is named by BSN alone: point at the record of that person."""
        for key, item in items.items():
            for node, bsn in _owners_by_bsn(item.resource):
                known_here = {
                    id_
                    for id_, number in numbers.items()
                    if number == bsn and (("Patient", id_) in items or self._usable(id_))
                }
                if len(known_here) == 1:
                    node["reference"] = f"Patient/{min(known_here)}"
                    self.hints[key] = min(known_here)
                    self.repairs[key].append(Repair("reference-from-bsn", key[0]))

    def _stay(self, items: Mapping[Key, Item]) -> None:
        """What names no patient itself, such as a Binary, stays with the patient whose it was."""
        for key, item in items.items():
            owner = self._stored(key)
            if owner and not any(type_ == "Patient" for type_, _ in links(item.resource)):
                self.hints.setdefault(key, owner)

    def _usable(self, patient_id: str) -> bool:
        found = self.plan.known.patients.get(patient_id)
        return found is not None and self._is_ours(found.source)

    def _is_ours(self, source: str) -> bool:
        return source == self.planner.source or source in self.planner.patients_of

    def _stored(self, key: Key) -> str | None:
        row = self.plan.known.rows.get(key)
        return row.patient_id if row is not None and not row.deleted and self._is_ours(row.source) else None

    def _place(
        self,
        items: dict[Key, Item],
        changes: dict[Key, Change],
        numbers: Mapping[str, str],
        tokens: Mapping[Key, frozenset[str]],
    ) -> bool:
        """Place all items and make the changes that are not there yet; True when one was refused on the way."""
        placement = place([item.resource for item in items.values()], self._stored, self.hints)
        by_key = {task.key: task for task in self.tasks}
        any_refused = False
        for key in list(items):
            task = by_key[key]
            if key in placement.refused:
                task.refused = refusal(422, "not-found", placement.refused[key], task.place or key[0])
            elif key in changes and changes[key].patient_id != placement.patients[key]:
                text = "what says whose it is was refused"
                task.refused = refusal(422, "not-found", text, task.place or key[0])
            elif key not in changes:
                try:
                    self._patient_stays(task, items[key].resource, placement.patients[key], numbers)
                    changes[key] = self._change(task, items, placement.patients[key], numbers, tokens[key])
                except FormatError as fault:
                    task.refused = refusal(400, "structure", fault.text, fault.expression or key[0])
                except Refusal as fault:
                    task.refused = fault
            if task.refused is not None:
                any_refused = True
                changes.pop(key, None)
                del items[key]
        return any_refused

    def _patient_stays(self, task: Task, resource: Resource, patient_id: str, numbers: Mapping[str, str]) -> None:
        """Nothing goes silently from one patient to another: that is a delete and a create (docs/intake.md)."""
        row = self.plan.known.rows.get(task.key)
        if row is not None and not row.deleted and row.patient_id != patient_id:
            text = f"{task.type}/{task.id} is of another patient; to correct that, delete it and send it again"
            raise refusal(409, "conflict", text, task.place or None)
        bsn = find_bsn(resource) if task.type == "Patient" else None
        if bsn is not None and numbers.get(task.id, bsn) != bsn:
            text = f"Patient/{task.id} has another BSN; to correct that, delete the patient's record and send it again"
            raise refusal(409, "conflict", text, task.place or None)

    def _change(
        self,
        task: Task,
        items: Mapping[Key, Item],
        patient_id: str,
        numbers: Mapping[str, str],
        tokens: frozenset[str],
    ) -> Change:
        one, item, resource = self.planner, items[task.key], items[task.key].resource
        documents = self.documents or Documents({}, lambda _id: None)
        if task.type == "Binary" and task.id in documents.unreadable:
            raise refusal(400, "structure", documents.unreadable[task.id], task.place or "Binary")
        repairs = [*self.repairs.get(task.key, ())]
        bsn = find_bsn(resource) if task.type == "Patient" else None
        text, number = self.texts[task.key], numbers.get(patient_id)
        if any(system in text for system in _BSN) or (number is not None and number.encode() in text):
            repairs += mask_bsn(resource, [number] if number else [])
        if any("display" not in reference for reference in self.pointing[task.key]):
            repairs += fill_display(
                resource, lambda *key: items[key].resource if key in items else self.labels.get(key)
            )
        repairs += claim_profile(resource, () if _claims(resource) else one.expected(resource, self.version))
        decision = one.gate.judge(one.provider, one.source, self.version, resource)
        repairs += decision.repairs
        about = list(documents.findings(resource))
        spoiled = any(finding.severity == "error" for finding in about)
        blocks = spoiled and one.gate.policy(one.provider, self.version, resource) is Policy.BLOCK
        content = documents.content(task.id) if task.type == "Binary" else None
        body = jsonio.dump(resource)
        original, format_ = (body, "json") if content is not None else task.received or (item.original, item.format)
        change = Change(
            task,
            patient_id,
            self.plan.known.rows.get(task.key),
            json=body,
            digest=_digest(body, content),
            original=original,
            format=format_,
            links=frozenset(links(resource)),
            tokens=tokens,
            repairs=repairs,
            content=content,
            report=decision.report,
            findings=(*(decision.report.findings if decision.report else ()), *about),
            blocked=decision.blocked or blocks,
            bsn=bsn,
            birth_date=_birth_date(resource) if task.type == "Patient" else None,
        )
        if not change.same:
            change.xml = xmlio.fragment(resource, self.version)
        return change


def _digest(body: bytes, content: bytes | None) -> bytes:
    found = sha256(body)
    if content is not None:
        found.update(sha256(content).digest())
    return found.digest()


_ATTACHMENT = (b'"contentType"', b'"hash"', b'"size"')
_BSN = tuple(system.encode() for system in BSN_SYSTEMS)


def _claims(resource: Resource) -> bool:
    meta = resource.get("meta")
    return bool(isinstance(meta, dict) and meta.get("profile"))


def _without_display(pointing: Sequence[Resource]) -> set[Key]:
    found = (local_reference(one["reference"]) for one in pointing if "display" not in one)
    return {key for key in found if key is not None}


def _owners_by_bsn(resource: Resource) -> Iterable[tuple[Resource, str]]:
    """The elements that name the patient by BSN alone."""
    for name in OWNER_ELEMENTS:
        node = resource.get(name)
        if not isinstance(node, dict) or "reference" in node:
            continue
        identifier = node.get("identifier")
        if isinstance(identifier, dict) and identifier.get("system") in BSN_SYSTEMS:
            value = identifier.get("value")
            if isinstance(value, str) and value.isascii() and value:
                yield node, value


def _birth_date(patient: Resource) -> date | None:
    try:
        return date.fromisoformat(str(patient.get("birthDate")))
    except ValueError:
        return None
