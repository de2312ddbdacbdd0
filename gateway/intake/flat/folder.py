"""A folder that is watched: each file in it is taken once, and moved with an answer beside it.

``taking`` holds what is being taken (moved there at once, so that nobody takes it twice), ``done`` what was taken, and
``refused`` what could not be read as a whole. A file is looked at only when its size and time stood still between two
looks; names of files that are still being written are left alone. What the disk does not let us do (it is full, say) is
tried again at the next look, file by file.
"""

import fcntl
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.intake.flat.answer import AnswerFile, AnswerLine
from gateway.intake.flat.lines import FlatFault
from profiles.record.bsn import starred

log = logging.getLogger("gateway.intake.folder")

UNFINISHED = frozenset({".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp", ".lock"})
TAKING, DONE, REFUSED = "taking", "done", "refused"
_TAKEN = ".taken"
_OURS = (".progress", ".seen", ".new", ".answer.csv")
_LONGEST = 200
"""Most bytes of a name of ours: an answer's name is longer, and 255 is what file systems take."""

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
        self.stuck: dict[str, str] = {}
        """Files that the disk kept us from taking at the last look, and what it said."""
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
        taken, told, self.stuck = 0, self.stuck, {}
        for left in sorted(self._files(self.path / TAKING), key=self._rank):
            if not left.name.endswith(_OURS):
                taken += self._tried(left, told, partial(self._one, left, resumed=True))
        for name in self._still():
            taken += self._tried(self.path / name, told, partial(self._claimed, name))
        self._forget()
        return taken

    def _tried(self, path: Path, told: Mapping[str, str], do: Callable[[], None]) -> bool:
        """Whether a file was taken; when the disk stands in the way that is said once, and the others go on."""
        try:
            do()
        except FileNotFoundError:
            return False  # Its sender took it away.
        except (OSError, sqlite3.Error) as fault:
            text = (fault.strerror if isinstance(fault, OSError) else str(fault)) or type(fault).__name__
            self.stuck[path.name] = text
            if told.get(path.name) != text:
                log.error("%s: %s; it is tried again", starred(plain(path.name)), text)
            return False
        return True

    def _claimed(self, name: str) -> None:
        claimed = _free(self.path / TAKING, name)
        (self.path / name).rename(claimed)
        self._one(claimed)

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
        try:
            digest = _digest(path)
        except PermissionError:
            self._refuse(path, answer, progress, FlatFault(0, "it may not be read (its permissions)"))
            return
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
            self._refuse(path, answer, progress, fault)
            return
        if whole:
            self._note(digest, path.name)
        self._away(path, answer, progress, DONE if whole else REFUSED)

    def _refuse(self, path: Path, answer: Path, progress: Path, fault: FlatFault) -> None:
        text = f"nothing of this file was taken: {fault.text}"
        _answered(answer, AnswerLine(fault.line, "error", text, column=fault.column))
        log.warning("%s: %s", starred(plain(path.name)), text)
        self._away(path, answer, progress, REFUSED)

    def _away(self, path: Path, answer: Path, progress: Path, where: str) -> None:
        """Answer first: who sees the file in its new place finds the answer beside it."""
        target = _free(self.path / where, path.name)
        answer.replace(target.with_name(f"{target.name}.answer.csv"))
        path.replace(target)
        progress.unlink(missing_ok=True)
        log.info("%s: %s", starred(plain(target.name)), where)

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
            file.write(f"{digest} {plain(name)}, taken at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n")
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
    """A name in a folder that nothing has yet; one that leaves no room for an answer beside it is cut."""
    if (over := len(os.fsencode(name)) - _LONGEST) > 0:
        suffix = Path(name).suffix if len(Path(name).suffix) < 20 else ""
        name = name.removesuffix(suffix)[:-over] + suffix
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}.{number}{Path(name).suffix}"
    return path


def plain(name: str) -> str:
    """A name as it can be written on a line: those of other systems hold bytes that are no UTF-8, and line ends."""
    return "".join(one if one.isprintable() else "?" for one in name)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _answered(path: Path, line: AnswerLine) -> None:
    made = AnswerFile(path)
    made.tell(line)
    made.durable()
    made.close()
