"""Asking the store, once, about all that a push names: ids, identifiers, patients, what references point at."""

from collections.abc import Sequence

from sqlalchemy import Connection

from gateway.intake.change import Draft, numbers_within, owners_by_bsn
from gateway.intake.refusal import Refusal, refusal
from gateway.intake.sender import Sender
from gateway.intake.tasks import ID, GivenIds, Key, Task, identifier_asked, is_stored_type, set_id
from gateway.store.engine import reading
from gateway.store.identity import identifiers, token
from gateway.store.known import by_identifier, contents_of, known, merged, pointing_at
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource, local_reference
from profiles.record.repair import CUT, Repair, resolve_urns
from profiles.record.walk import links, pointing
from profiles.record.whose import contexts


class Lookup:
    """One look at the store for one push."""

    connection: Connection

    def __init__(self, sender: Sender, draft: Draft) -> None:
        self.sender = sender
        self.draft = draft
        self.version = draft.push.version

    def read(self) -> None:
        """Give ids, and look up all that the store must tell."""
        sender = self.sender
        with reading(sender.engine).connect() as self.connection:
            self._assign()
            keys = {task.key for task in self.draft.tasks if task.id}
            keys |= {("Patient", task.patient) for task in self.draft.tasks if task.patient}
            wanted: set[Key] = set()
            persons: set[str] = set()
            for task in self.draft.tasks:
                if task.resource is not None:
                    nodes, aims = pointing(task.resource)
                    self.draft.pointing[task.key] = nodes
                    self._urls(task, nodes)
                    if self.draft.repairs[task.key]:
                        aims = list(links(task.resource))
                    self.draft.links[task.key] = frozenset(aims)
                    keys.update(aims)
                    wanted |= _without_display(nodes, every=task.type == CUT)
                    persons |= {sender.pseudonyms.of(bsn) for _, bsn in owners_by_bsn(task.resource)}
                    persons |= {sender.pseudonyms.of(bsn) for bsn in numbers_within(task.resource)}
            self.draft.plan.known = known(self.connection, sender.provider, self.version, keys, persons)
            self._episodes()
            here = self._here()
            absent = [id_ for type_, id_ in keys if type_ == "Patient" and ("Patient", id_) not in here]
            if absent:
                sources = {sender.source, *sender.patients_of}
                self.draft.merged = merged(self.connection, sender.provider, self.version, sources, absent)
            there = {key for key, row in self.draft.plan.known.rows.items() if sender.owns(row.source)}
            asked = wanted & there - {task.key for task in self.draft.tasks}
            for key, content in contents_of(self.connection, sender.provider, self.version, asked):
                self.draft.labels[key] = jsonio.load(content)

    def _episodes(self) -> None:
        """Encounters of an episode that were sent before what was recorded in them."""
        rows = self.draft.plan.known.rows
        sent = {task.key for task in self.draft.tasks}
        named = {key for task in self.draft.tasks if task.resource for key in contexts(task.resource)}
        held = {rows[key].pk: key for key in named - sent if key[0] == "Encounter" and key in rows}
        if held:
            self.draft.in_episode = {held[pk] for pk in pointing_at(self.connection, held, "EpisodeOfCare")}

    def _here(self) -> set[Key]:
        """What is in the store, or comes along."""
        stored = {key for key, row in self.draft.plan.known.rows.items() if not row.deleted}
        return stored | {task.key for task in self.draft.tasks}

    def _assign(self) -> None:
        names = GivenIds(self.sender.provider, self.sender.source, self.version)
        for task in self.draft.tasks:
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
                task.id = names.assign(task) if given is None else str(given)
                if not ID.fullmatch(task.id):
                    text = "an id has 1 to 64 letters, digits, - and ."
                    task.refused = refusal(400, "invalid", text, task.place or f"{task.type}.id")
                    continue
            if task.resource is not None:
                set_id(task.resource, task.id)
                if task.full_url:
                    self.draft.push.urls[task.full_url] = task.key

    def _matching(self, task: Task) -> str:
        if task.condition is None:
            return ""
        found = self._identified(task.type, *task.condition)
        if len(found) > 1:
            task.refused = refusal(412, "multiple-matches", "more than one resource has this identifier", task.place)
        return found[0] if len(found) == 1 else ""

    def _identified(self, type_: str, system: str, value: str) -> Sequence[str]:
        one = self.sender
        wanted = token(one.pseudonyms, type_, system, value)
        return by_identifier(self.connection, one.provider, self.version, one.source, type_, wanted)

    def _name(self, task: Task, names: GivenIds) -> None:
        """The id of a create; one that was deleted is never brought back by creating the same again."""
        for salt in range(100):
            task.id = names.assign(task, salt)
            row = known(self.connection, self.sender.provider, self.version, [task.key]).rows.get(task.key)
            if row is None or not row.deleted:
                task.only_new = row is not None
                return
        task.refused = refusal(409, "conflict", "created and deleted too often", task.place)

    def _urls(self, task: Task, pointing: Sequence[Resource]) -> None:
        resource = task.resource or {}
        urls = self.draft.push.urls if task.urls is None else task.urls
        self.draft.repairs[task.key] = resolve_urns(resource, urls) if urls else []
        for reference in pointing:
            text = reference["reference"]
            type_, mark, query = text.partition("?")
            if not mark or not is_stored_type(type_, self.version):
                continue
            try:
                system, value = identifier_asked(query, task.place)
            except Refusal as fault:
                task.refused = fault
                return
            ids = {
                other.id
                for other in self.draft.tasks
                if other.type == type_ and other.resource and (system, value) in set(identifiers(other.resource))
            } or set(self._identified(type_, system, value))
            if len(ids) != 1:
                text = "a conditional reference matches no resource, or more than one"
                task.refused = refusal(412, "multiple-matches", text, task.place or task.type)
                return
            reference["reference"] = f"{type_}/{ids.pop()}"
            self.draft.repairs[task.key].append(Repair("reference-from-identifier", task.type))


def _without_display(pointing: Sequence[Resource], every: bool) -> set[Key]:
    found = (local_reference(one["reference"]) for one in pointing if every or "display" not in one)
    return {key for key in found if key is not None}
