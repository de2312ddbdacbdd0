"""Taking in one flat file: looked through whole, then stored in batches, with the place of each batch on disk.

A process that is killed goes on where it was: a batch that was stored and not noted is stored again, which changes
nothing (the ids are made of the file's own numbers).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from adapters.mapping.template import RecordError
from gateway.audit.record import AuditRecord
from gateway.intake.answers import Result
from gateway.intake.flat.answer import AnswerFile, AnswerLine
from gateway.intake.flat.lines import FlatFault, FlatRow, rows
from gateway.intake.flat.mapping import FlatMapping, FlatPart
from gateway.intake.flat.seen import Seen
from gateway.intake.tasks import BATCH, Push, Task
from gateway.intake.work import Intake
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource

ROWS = 200
"""Rows in one transaction."""
FORMAT = "flat"

Note = Callable[[Sequence[AuditRecord]], None]
"""Makes the audit records of a batch durable, before the next. Raises AuditUnavailable."""


class FlatProgress(msgspec.Struct):
    """How far a file is: rows that are done, counts, and the length of its answer then."""

    rows: int = 0
    answer: int = 0
    stored: int = 0
    unchanged: int = 0
    refused: int = 0
    """Resources that were not taken."""

    def words(self) -> str:
        """For people."""
        return f"{self.rows} lines: {self.stored} stored, {self.unchanged} unchanged, {self.refused} refused"


@dataclass(slots=True)
class _Made:
    """What one row asks for, and what of it cannot be asked."""

    row: FlatRow
    asked: list[tuple[FlatPart, Resource | None, str]] = field(default_factory=list)
    faults: list[AnswerLine] = field(default_factory=list)


class FlatTaker:
    """Takes in the flat files of one source."""

    def __init__(self, name: str, mapping: FlatMapping, intake: Intake, note: Note) -> None:
        self.mapping = mapping
        self._name = name
        self._intake = intake
        self._note = note

    def take(self, path: Path, name: str, answer: Path, progress: Path) -> FlatProgress:
        """Take in a file; ``name`` is how it was called. Raises FlatFault when it cannot be read as a whole, and
        SQLAlchemyError or AuditUnavailable: then it is to be taken up again later."""
        kind = self.mapping.kind(name)
        if not kind:
            raise FlatFault(0, "no kind of file of this source has such a name")
        done = msgspec.json.decode(progress.read_bytes(), type=FlatProgress) if progress.exists() else FlatProgress()
        with Seen(progress.with_suffix(".seen")) as seen:
            self._look(path, kind, seen)
            told = AnswerFile(answer, done.answer)
            try:
                for batch in self._batches(path, kind, done.rows):
                    self._store(batch, seen, done, told)
                    done.rows += len(batch)
                    done.answer = told.durable()
                    _written(progress, msgspec.json.encode(done))
                told.tell(AnswerLine(0, "information", done.words()))
                told.durable()
            finally:
                told.close()
        return done

    def _look(self, path: Path, kind: str, seen: Seen) -> None:
        """The whole file, before anything of it is stored: its columns, and what it says more than once."""
        form, parts, checked = self.mapping.files[kind], self.mapping.of(kind), False
        for row in rows(path, form):
            if not checked:
                wanted = [name for part in parts for name in sorted(part.made.columns) if name not in row.columns]
                if wanted:
                    single = " (the whole line is one column: another delimiter?)" if len(row.columns) == 1 else ""
                    text = f"there is no such column{single}"
                    raise FlatFault(row.line, text, form.columns.get(wanted[0], wanted[0]))
                checked = True
            for part, resource, id_ in self._made(row, parts).asked:
                seen.note(f"{part.made.type}/{id_}", row.line, resource)
        if not checked:
            raise FlatFault(0, "there is nothing in it")

    def _batches(self, path: Path, kind: str, done: int) -> Iterator[list[_Made]]:
        parts, held = self.mapping.of(kind), []
        for number, row in enumerate(rows(path, self.mapping.files[kind])):
            if number < done:
                continue
            held.append(self._made(row, parts))
            if len(held) == ROWS:
                yield held
                held = []
        if held:
            yield held

    def _made(self, row: FlatRow, parts: Sequence[FlatPart]) -> _Made:
        made = _Made(row)
        for part in parts:
            try:
                if part.when is not None and part.when.compute(row.columns) is not True:
                    continue
                if part.gone is not None and part.gone.compute(row.columns) is True:
                    made.asked.append((part, None, str(part.made.id_of.compute(row.columns))))
                    continue
                resource = part.made.resource_of(row.columns, {}, None)
            except RecordError as fault:
                made.faults.append(_line(row, part, fault.place, fault.text))
                continue
            if resource is not None:
                made.asked.append((part, resource, str(resource["id"])))
        return made

    def _store(self, batch: Sequence[_Made], seen: Seen, done: FlatProgress, told: AnswerFile) -> None:
        asked: list[tuple[_Made, FlatPart, Resource | None, str]] = []
        for made in batch:
            faults = [*made.faults]
            for part, resource, id_ in made.asked:
                key = f"{part.made.type}/{id_}"
                if seen.differs(key):
                    text = "lines say different things about it; none of them is taken"
                    faults.append(AnswerLine(made.row.line, "error", text, key))
                elif seen.first(key) == made.row.line:
                    asked.append((made, part, resource, id_))
            for line in faults:
                told.tell(line)
            done.refused += len(faults)
        if not asked:
            return
        taken = self._intake.take(self._name, lambda: _push(self.mapping, asked))
        self._note(taken.records)
        if taken.answer.status >= 400:
            text = str(taken.answer.resource["issue"][0]["details"]["text"])
            for made, part, _, id_ in asked:
                told.tell(AnswerLine(made.row.line, "error", text, f"{part.made.type}/{id_}"))
            done.refused += len(asked)
        origins = {f"{number}": one for number, one in enumerate(asked)}
        for result in taken.results:
            self._one(result, origins[result.task.origin], done, told)

    def _one(
        self, result: Result, asked: tuple[_Made, FlatPart, Resource | None, str], done: FlatProgress, told: AnswerFile
    ) -> None:
        made, part, _, _ = asked
        fault = result.task.refused
        if fault is None:
            done.stored += bool(result.deed)
            done.unchanged += not result.deed
            return
        done.refused += 1
        for issue in fault.issues:
            if issue.severity == "error":
                told.tell(_line(made.row, part, _place(issue.expression or ""), issue.text))


def _push(mapping: FlatMapping, asked: Sequence[tuple[_Made, FlatPart, Resource | None, str]]) -> Push:
    """The batch as tasks, made anew: the walk changes the resources."""
    tasks = []
    for number, (made, part, resource, id_) in enumerate(asked):
        kind, raw = part.made.type, (made.row.raw.encode(), FORMAT)
        place = f"{kind}/{id_}"
        if resource is None:
            tasks.append(Task("DELETE", kind, id_, place=place, origin=str(number)))
            continue
        copied = jsonio.load(jsonio.dump(resource))
        task = Task("PUT", kind, id_, copied, jsonio.dump(resource), received=raw, place=place, origin=str(number))
        tasks.append(task)
    return Push(mapping.version, tasks, BATCH)


def _place(expression: str) -> str:
    """The place in the resource, of an expression that may begin with that of the entry."""
    return expression.rpartition("resource: ")[2]


def _line(row: FlatRow, part: FlatPart, place: str, text: str) -> AnswerLine:
    origin = part.origin(place)
    columns, zibs = (", ".join(origin.columns), ", ".join(origin.zib)) if origin else ("", "")
    return AnswerLine(row.line, "error", text, part.made.type, place, columns, zibs)


def _written(path: Path, content: bytes) -> None:
    """Replace a file, whole or not at all."""
    made = path.with_suffix(".new")
    with made.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
