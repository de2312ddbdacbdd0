"""Settling a push: whose each resource is, how it is normalised, what validation says, and whether it may stay."""

from collections.abc import Mapping

from gateway.intake.change import Change, Draft, numbers_within, owners_by_bsn
from gateway.intake.documents import Documents
from gateway.intake.refusal import Refusal, refusal
from gateway.intake.sender import Sender
from gateway.intake.tasks import Key, Push, Task
from gateway.quality.numbers import wrong_numbers
from gateway.store.identity import tokens as tokens_of
from gateway.store.unit import digest_of
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.search.keys import stored
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import bsns, find_bsn, valid_bsn
from profiles.record.neighbours import Neighbours, Owned
from profiles.record.place import Placement, birth_date, place
from profiles.record.repair import CUT, Repair, fill_display, mask_bsn, may_hold_bsn
from profiles.record.stamp import stamp, unstamp
from profiles.record.walk import links

_ATTACHMENT = (b'"contentType"', b'"hash"', b'"size"')
DIFFERS = "{} occurs more than once, with different content; none of them is taken"
BOTH = "{} is both deleted and sent in one push; send the deletion first, and the rest in a push of its own"


class Settling:
    """One push, after the store was asked."""

    def __init__(self, sender: Sender, draft: Draft) -> None:
        self.sender = sender
        self.draft = draft
        self.version = draft.push.version
        self.hints: dict[Key, str] = {}
        self.documents: Documents | None = None
        self.texts: dict[Key, bytes] = {}
        """The JSON of each resource as it came, to see at once what cannot be in it."""

    def settle(self) -> None:
        """Place, normalise, judge; what is blocked takes with it what depends on it."""
        self._conflicts()
        self._tell_existing()
        items = self._items()
        tasks = {task.key: task for task in self.draft.tasks}
        self.documents = Documents(items, self.version, self._document)
        self.texts = {key: jsonio.dump(resource) for key, resource in items.items()}
        for key, resource in items.items():
            made = self.draft.repairs.setdefault(key, [])
            if any(name in self.texts[key] for name in _ATTACHMENT):
                made += self.documents.own_urls(resource, urls_of(self.draft.push, tasks[key]))
        changes: dict[Key, Change] = {}
        numbers = self._numbers(items)
        tokens = {key: tokens_of(self.sender.pseudonyms, resource) for key, resource in items.items()}
        self._owners(items, numbers)
        self._stay(items)
        for task in self.draft.tasks:
            if task.patient and (("Patient", task.patient) in items or self._usable(task.patient)):
                self.hints.setdefault(task.key, task.patient)
        while True:
            refused = self._place(items, changes, numbers, tokens)
            blocked = [change for change in changes.values() if change.blocked]
            for change in blocked:
                del changes[change.key], items[change.key]
            self.draft.plan.blocked += blocked
            if not blocked and not refused:
                break
        self.draft.plan.changes += changes.values()
        own = {change.key for change in self.draft.plan.changes} | {task.key for task, _ in self.draft.plan.existing}
        owners = {("Patient", change.patient_id) for change in self.draft.plan.changes if change.patient_id}
        self.draft.plan.watched = frozenset(own | owners)

    def _conflicts(self) -> None:
        seen: dict[Key, Task] = {}
        for task in self.draft.tasks:
            if not task.id:
                continue
            row = self.draft.plan.known.rows.get(task.key)
            fault = None
            if (first := seen.get(task.key)) is not None:
                if is_same(first, task):
                    self.draft.plan.again.append((task, first))
                    self.draft.dropped.add(id(task))
                    continue
                said = BOTH if (first.method == "DELETE") != (task.method == "DELETE") else DIFFERS
                first.refused, fault = twice(first, said), twice(task, said)
            elif row is not None and row.source != self.sender.source and not task.only_new:
                fault = refusal(409, "conflict", f"{task.type}/{task.id} belongs to another source", task.place or None)
            elif task.only_if is not None and (told := task.only_if.fault(row)):
                fault = refusal(412, "conflict", told, task.place or None)
            seen.setdefault(task.key, task)
            task.refused = fault

    def _tell_existing(self) -> None:
        for task in self.draft.tasks:
            row = self.draft.plan.known.rows.get(task.key)
            if task.method == "DELETE":
                patient = row.patient_id if row else ""
                self.draft.plan.changes.append(Change(task.key, patient, row, task=task, deleted=True))
            elif task.only_new and row is not None and not row.deleted:
                self.draft.plan.existing.append((task, row))

    def _items(self) -> dict[Key, Resource]:
        present = {id(task) for task, _ in self.draft.plan.existing}
        return {
            task.key: task.resource
            for task in self.draft.tasks
            if task.resource is not None and id(task) not in present
        }

    def _numbers(self, items: Mapping[Key, Resource]) -> dict[str, str]:
        """The BSN of each patient: as it came along, else as it was sealed."""
        numbers = {}
        for patient in self.draft.plan.known.patients.values():
            if patient.sealed_bsn is not None:
                numbers[patient.patient_id] = self.sender.ring.open("bsn", patient.sealed_bsn).decode()
        for key, resource in items.items():
            if key[0] == "Patient" and (bsn := self._bsn(key, resource)):
                numbers.setdefault(key[1], bsn)
        return numbers

    def _bsn(self, key: Key, resource: Resource) -> str | None:
        """The BSN that comes along with a Patient: in it, or in a table beside it."""
        return find_bsn(resource) or self.draft.push.bsn.get(key[1]) if key[0] == "Patient" else None

    def _owners(self, items: Mapping[Key, Resource], numbers: Mapping[str, str]) -> None:
        """A patient who is named by BSN alone: point at the record of that person."""
        for key, resource in items.items():
            for node, bsn in owners_by_bsn(resource):
                if person := self._numbered(bsn, items, numbers):
                    node["reference"] = f"Patient/{person}"
                    self.hints[key] = person
                    self.draft.repairs[key].append(Repair("reference-from-bsn", key[0]))
            within = numbers_within(resource)
            if len(within) == 1 and (person := self._numbered(min(within), items, numbers)):
                self.hints[key] = person

    def _numbered(self, bsn: str, items: Mapping[Key, Resource], numbers: Mapping[str, str]) -> str | None:
        """The one patient who has this number, of those that came along or that this source may name."""
        found = {
            id_ for id_, number in numbers.items() if number == bsn and (("Patient", id_) in items or self._usable(id_))
        }
        return found.pop() if len(found) == 1 else None

    def _stay(self, items: Mapping[Key, Resource]) -> None:
        """What names no patient itself, such as a Binary, stays with the patient whose it was."""
        for key in items:
            owner = self._stored(key)
            if owner and not any(type_ == "Patient" for type_, _ in self.draft.links[key]):
                self.hints.setdefault(key, owner)

    def _usable(self, patient_id: str) -> bool:
        found = self.draft.plan.known.patients.get(patient_id)
        return found is not None and self.sender.owns(found.source)

    def _stored(self, key: Key) -> str | None:
        row = self.draft.plan.known.rows.get(key)
        return row.patient_id if row is not None and not row.deleted and self.sender.owns(row.source) else None

    def _document(self, id_: str) -> tuple[int, bytes] | None:
        """What the store knows of a document that this source may name."""
        return self.draft.plan.known.documents.get(id_) if self._stored(("Binary", id_)) is not None else None

    def _owner(self, key: Key, placement: Placement) -> str | None:
        """The patient of a resource that came along, or of one in the store that this source may name."""
        came = key in placement.patients or key in placement.refused
        return placement.patients.get(key) if came else self._stored(key)

    def _held(self, key: Key, items: Mapping[Key, Resource], placement: Placement) -> Owned | None:
        """A resource that came along, or one in the store that this source may name, with its owner."""
        owner = self._owner(key, placement)
        found = items[key] if key in items else self.draft.labels.get(key)
        return None if owner is None or found is None else (owner, found)

    def _place(
        self,
        items: dict[Key, Resource],
        changes: dict[Key, Change],
        numbers: Mapping[str, str],
        tokens: Mapping[Key, frozenset[str]],
    ) -> bool:
        """Place all items and make the changes that are not there yet; True when one was refused on the way."""
        apart = frozenset(task.key for task in self.draft.tasks if task.apart)
        placement = place(items.values(), self._stored, self.hints, numbers.get, apart, self.draft.in_episode)
        by_key = {task.key: task for task in self.draft.tasks}
        any_refused = False
        for key in list(items):
            task = by_key[key]
            if key in placement.refused:
                text = placement.refused[key] + self._moved(key)
                task.refused = refusal(422, "not-found", text, task.place or key[0])
            elif key in changes and changes[key].patient_id != placement.patients[key]:
                text = "what says whose it is was refused"
                task.refused = refusal(422, "not-found", text, task.place or key[0])
            elif key not in changes:
                try:
                    self._patient_stays(task, items[key], placement.patients[key], numbers)
                    changes[key] = self._change(task, items, placement, numbers, tokens[key])
                except FormatError as fault:
                    task.refused = refusal(400, "structure", fault.text, fault.expression or key[0])
                except Refusal as fault:
                    task.refused = fault
                except (TypeError, AttributeError, LookupError) as fault:
                    task.refused = misshapen(task, self.version, fault)
            if task.refused is not None:
                any_refused = True
                changes.pop(key, None)
                del items[key]
        return any_refused

    def _moved(self, key: Key) -> str:
        """Words for who names a patient by a number that ended in another one."""
        for type_, id_ in sorted(self.draft.links[key]):
            if type_ == "Patient" and id_ in self.draft.merged:
                return f"; Patient/{id_} was merged into Patient/{self.draft.merged[id_]}: send it under that number"
        return ""

    def _patient_stays(self, task: Task, resource: Resource, patient_id: str, numbers: Mapping[str, str]) -> None:
        """Nothing goes silently from one patient to another: that is a delete and a create (docs/intake.md)."""
        row = self.draft.plan.known.rows.get(task.key)
        if row is not None and not row.deleted and row.patient_id != patient_id:
            text = f"{task.type}/{task.id} is of another patient; to correct that, delete it and send it again"
            raise refusal(409, "conflict", text, task.place or None)
        if task.type == "Patient" and len(set(filter(valid_bsn, bsns(resource)))) > 1:
            text = f"Patient/{task.id} has more than one BSN; which of them is this person's, nobody here can tell"
            raise refusal(422, "business-rule", text, task.place or "Patient.identifier")
        bsn = self._bsn(task.key, resource)
        if bsn is not None and (numbers.get(task.id, bsn) != bsn or self._other_elsewhere(task.id, bsn)):
            text = f"Patient/{task.id} has another BSN; to correct that, delete the patient's record and send it again"
            raise refusal(409, "conflict", text, task.place or None)

    def _other_elsewhere(self, patient_id: str, bsn: str) -> bool:
        """Whether this source has another person under the same id in another FHIR release."""
        return any(
            one.patient_id == patient_id
            and one.source == self.sender.source
            and one.sealed_bsn is not None
            and self.sender.ring.open("bsn", one.sealed_bsn).decode() != bsn
            for one in self.draft.plan.known.elsewhere
        )

    def _change(
        self,
        task: Task,
        items: Mapping[Key, Resource],
        placement: Placement,
        numbers: Mapping[str, str],
        tokens: frozenset[str],
    ) -> Change:
        sender, resource = self.sender, items[task.key]
        patient_id = placement.patients[task.key]
        neighbours = Neighbours(patient_id, lambda key: self._held(key, items, placement))
        documents = self.documents or Documents({}, self.version, lambda _id: None)
        if task.type == "Binary" and task.id in documents.unreadable:
            raise refusal(400, "structure", documents.unreadable[task.id], task.place or "Binary")
        repairs = [*self.draft.repairs.get(task.key, ())]
        bsn = self._bsn(task.key, resource)
        about = list(documents.findings(resource, lambda id_: self._owner(("Binary", id_), placement) == patient_id))
        number = numbers.get(patient_id)
        # Names first: a number in the name of a neighbour is masked with the rest.
        named = task.type == CUT or any("display" not in reference for reference in self.draft.pointing[task.key])
        filled = fill_display(resource, neighbours) if named else []
        repairs += filled
        if may_hold_bsn(jsonio.dump(resource) if filled else self.texts[task.key], number):
            about += wrong_numbers(resource)
            repairs += mask_bsn(resource, [number] if number else [])
        changed = bool(repairs)
        repairs += unstamp(resource)
        repairs += sender.expected.correct(resource, self.version)
        decision = sender.gate.judge(sender.provider, sender.source, self.version, resource, about)
        repairs += decision.repairs
        repairs += sender.leaving(resource, self.version)
        content = documents.content(task.id) if task.type == "Binary" else None
        body = jsonio.dump(resource)
        original, format_ = (body, "json") if content is not None else task.received or (task.original, task.format)
        change = Change(
            task.key,
            patient_id,
            self.draft.plan.known.rows.get(task.key),
            task=task,
            json=body,
            digest=digest_of(body, content),
            original=original,
            format=format_,
            links=frozenset(links(resource)) if changed else self.draft.links[task.key],
            tokens=tokens,
            repairs=repairs,
            content=content,
            report=decision.report,
            findings=decision.report.findings if decision.report else about,
            blocked=decision.blocked,
            bsn=bsn,
            birth_date=birth_date(resource) if task.type == "Patient" else None,
        )
        if not change.same:
            stamp(resource, change.number, self.draft.plan.now)
            change.json = jsonio.dump(resource)
            change.xml = xmlio.fragment(resource, self.version)
            change.keys = stored(self.version, resource)
        return change


def urls_of(push: Push, task: Task) -> Mapping[str, Key]:
    """Type and id behind the fullUrls that a task's references may name."""
    return push.urls if task.urls is None else task.urls


def is_same(first: Task, other: Task) -> bool:
    """Whether two tasks about one key ask for exactly the same."""
    if (first.method == "DELETE") != (other.method == "DELETE") or first.only_if != other.only_if:
        return False
    return jsonio.canonical(first.resource) == jsonio.canonical(other.resource)


def twice(task: Task, text: str) -> Refusal:
    """The refusal of what is said more than once in different ways: which one is right, nobody can tell."""
    return refusal(400, "duplicate", text.format(f"{task.type}/{task.id}"), task.place or None)


def misshapen(task: Task, version: FhirVersion, fault: Exception) -> Refusal:
    """The refusal of a resource that has not the shape of its type, with the place. Raises ``fault`` when it has."""
    try:
        xmlio.fragment(task.resource, version)
    except FormatError as found:
        return refusal(400, "structure", found.text, found.expression or task.type)
    raise fault
