"""A folder that is watched: each file in it is taken once, and moved with an answer beside it.

``taking`` holds what is being taken (moved there at once, so that nobody takes it twice), ``done`` what was taken, and
``refused`` what could not be read as a whole. A file is looked at only when its size and time stood still between two
looks; names of files that are still being written are left alone.
"""

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway.intake.flat.answer import AnswerFile, AnswerLine
from gateway.intake.flat.lines import FlatFault
from profiles.record.bsn import starred

log = logging.getLogger("gateway.intake.folder")

UNFINISHED = frozenset({".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp", ".lock"})
TAKING, DONE, REFUSED = "taking", "done", "refused"
_TAKEN = ".taken"
_OURS = (".progress", ".seen", ".new", ".answer.csv")

Take = Callable[[Path, str, Path, Path], bool]
"""Takes in a file: where it is, how it was called, where its answer and its progress go. False: nothing was taken.
Raises FlatFault for one that cannot be read as a whole."""


class FolderBusy(Exception):
    """Another process watches this folder."""


class DropFolder:
    """One folder of one source."""

    def __init__(
        self, path: Path, take: Take, order: Callable[[str], int] = lambda _name: 0, keep_days: int = 14
    ) -> None:
        """``order`` says which names come first. Raises OSError when the folder cannot be used."""
        self.path = path
        self._take = take
        self._order = order
        self._keep = keep_days * 86_400
        self._before: dict[str, tuple[int, int]] = {}
        for name in (TAKING, DONE, REFUSED):
            (path / name).mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While the block runs nobody else watches it. Raises FolderBusy."""
        with (self.path / TAKING / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderBusy(f"{self.path} is watched by another process") from None
            yield

    def look(self) -> int:
        """Go on with what was broken off, then take what stood still since the last look; how many files that were.

        Raises what taking raises when the store does not answer: the file stays where it is and is taken up again.
        """
        taken = 0
        for left in sorted(self._files(self.path / TAKING), key=self._rank):
            if not left.name.endswith(_OURS):
                self._one(left, resumed=True)
                taken += 1
        for name in self._still():
            claimed = _free(self.path / TAKING, name)
            try:
                (self.path / name).rename(claimed)
            except FileNotFoundError:
                continue
            self._one(claimed)
            taken += 1
        self._forget()
        return taken

    def _rank(self, path: Path) -> tuple[int, str]:
        return self._order(path.name), path.name

    def _files(self, folder: Path) -> list[Path]:
        return [
            one
            for one in folder.iterdir()
            if not one.name.startswith(".") and one.suffix.lower() not in UNFINISHED and one.is_file()
            and not one.is_symlink()
        ]  # fmt: skip

    def _still(self) -> list[str]:
        """The names of the files that did not change since the last look."""
        now = {one.name: ((stat := one.stat()).st_size, stat.st_mtime_ns) for one in self._files(self.path)}
        still = [name for name, shape in now.items() if self._before.get(name) == shape]
        self._before = now
        return sorted(still, key=lambda name: (self._order(name), name))

    def _one(self, path: Path, *, resumed: bool = False) -> None:
        """Take one file that is ours now, and put it away."""
        answer, progress = path.with_name(f"{path.name}.answer.csv"), path.with_name(f"{path.name}.progress")
        digest = _digest(path)
        before = self._taken().get(digest)
        if resumed and before is not None and not answer.exists():
            path.replace(_free(self.path / DONE, path.name))  # Broken off when only the answer had been moved.
            progress.unlink(missing_ok=True)
            return
        if before is not None and not (resumed and progress.exists()):
            _answered(answer, AnswerLine(0, "information", f"the same file as {before}; nothing was changed"))
            self._away(path, answer, progress, DONE)
            return
        try:
            whole = self._take(path, path.name, answer, progress)
        except FlatFault as fault:
            text = f"nothing of this file was taken: {fault.text}"
            _answered(answer, AnswerLine(fault.line, "error", text, column=fault.column))
            log.warning("%s: %s", starred(path.name), text)
            self._away(path, answer, progress, REFUSED)
            return
        if whole:
            self._note(digest, path.name)
        self._away(path, answer, progress, DONE if whole else REFUSED)

    def _away(self, path: Path, answer: Path, progress: Path, where: str) -> None:
        """Answer first: who sees the file in its new place finds the answer beside it."""
        target = _free(self.path / where, path.name)
        answer.replace(target.with_name(f"{target.name}.answer.csv"))
        path.replace(target)
        progress.unlink(missing_ok=True)
        log.info("%s: %s", starred(target.name), where)

    def _taken(self) -> dict[str, str]:
        """What was taken before, by its hash."""
        try:
            lines = (self.path / DONE / _TAKEN).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return {}
        return {digest: rest for digest, _, rest in (line.partition(" ") for line in lines)}

    def _note(self, digest: str, name: str) -> None:
        if digest in self._taken():
            return
        with (self.path / DONE / _TAKEN).open("a", encoding="utf-8") as file:
            file.write(f"{digest} {name}, taken at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n")
            file.flush()
            os.fsync(file.fileno())

    def _forget(self) -> None:
        """Files that were taken hold patients' data in plain: they go when their time is over. Answers stay."""
        if not self._keep:
            return
        oldest = time.time() - self._keep
        for one in self._files(self.path / DONE):
            if not one.name.endswith(".answer.csv") and one.stat().st_ctime < oldest:
                one.unlink()


def _free(folder: Path, name: str) -> Path:
    """A name in a folder that nothing has yet."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}.{number}{Path(name).suffix}"
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _answered(path: Path, line: AnswerLine) -> None:
    made = AnswerFile(path)
    made.tell(line)
    made.durable()
    made.close()
