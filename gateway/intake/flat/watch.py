"""Watching the folders of sources: flat files by their mapping, CDA documents where the source sends these."""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from gateway.audit.trail import AuditUnavailable
from gateway.intake.cda.take import CdaTaker
from gateway.intake.flat.answer import AnswerFile, AnswerLine
from gateway.intake.flat.folder import DropFolder
from gateway.intake.flat.lines import FlatFault
from gateway.intake.flat.mapping import load_flat
from gateway.intake.flat.take import FlatTaker, Note
from gateway.intake.refusal import Refusal
from gateway.intake.settings import SourceSettings
from gateway.intake.work import Intake
from profiles.fhir.errors import FormatError

log = logging.getLogger("gateway.intake.folder")


class SourceFolder:
    """What comes by the folder of one source."""

    def __init__(self, name: str, source: SourceSettings, intake: Intake, note: Note) -> None:
        """Raises AdapterMisconfigured or OSError when the mapping or the folder cannot be used."""
        if source.folder is None:
            raise ValueError("a source with a folder")
        mapping = load_flat(source.folder.mapping) if source.folder.mapping else None
        self._flat = FlatTaker(name, mapping, intake, note) if mapping else None
        self._cda = CdaTaker(name, source.cda, intake) if source.cda else None
        self._note = note
        self._most = intake.settings.body_bytes
        self.whole = True
        """Whether everything was taken so far."""
        kinds = list(mapping.files) if mapping else []

        def order(file: str) -> int:
            kind = mapping.kind(file) if mapping else ""
            return kinds.index(kind) if kind else len(kinds)

        self.seconds = source.folder.seconds
        self.drop = DropFolder(source.folder.path, self._take, order, source.folder.keep_days)

    def _take(self, path: Path, name: str, answer: Path, progress: Path) -> bool:
        try:
            if self._cda is not None and name.lower().endswith(".xml"):
                return self._document(self._cda, path, answer)
            if self._flat is None:
                raise FlatFault(0, "this source has no mapping of flat files")
            done = self._flat.take(path, name, answer, progress)
        except FlatFault:
            self.whole = False
            raise
        self.whole = self.whole and not done.refused
        return bool(done.stored or done.unchanged or not done.refused)

    def _document(self, cda: CdaTaker, path: Path, answer: Path) -> bool:
        if path.stat().st_size > self._most:
            raise FlatFault(0, f"larger than {self._most} bytes")
        try:
            taken = cda.take(path.read_bytes())
        except FormatError as fault:
            raise FlatFault(fault.line or 0, fault.text) from None
        except Refusal as fault:
            raise FlatFault(0, f"{fault.issues[0].expression or ''}: {fault.issues[0].text}") from None
        self._note(taken.records)
        if taken.answer.status >= 400:
            raise FlatFault(0, str(taken.answer.resource["issue"][0]["details"]["text"]))
        made = AnswerFile(answer)
        for result in taken.results:
            made.tell(AnswerLine(0, "information", result.issues[0].text, f"{result.task.type}/{result.task.id}"))
        made.durable()
        made.close()
        return True


def watch(intake: Intake, names: Sequence[str], note: Note, *, once: bool = False) -> bool:
    """Watch the folders of these sources; ``once``: look twice and end. True: everything was taken.

    A store or trail that does not answer is waited for. Raises AdapterMisconfigured, FolderBusy or OSError.
    """
    folders = [SourceFolder(name, intake.settings.sources[name], intake, note) for name in names]
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(folder.drop.alone())
        looks = 0
        while not (once and looks == 2):
            for folder in folders:
                try:
                    folder.drop.look()
                except (SQLAlchemyError, AuditUnavailable) as fault:
                    if once:
                        raise
                    log.warning("the store does not answer (%s); trying again", type(fault).__name__)
            looks += 1
            if not (once and looks == 2):
                time.sleep(min(folder.seconds for folder in folders))
    return all(folder.whole and not folder.drop.stuck for folder in folders)
