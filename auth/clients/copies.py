"""The last valid copy of each list, on disk, so that a restart works without the node (LIST-02).

Per list two files: the document as it came, and a note beside it (source, number, digest, last confirmation). A copy
is read back only when the note belongs to it and to the source that is configured now.
"""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from auth.clients.lists import Copy
from auth.clients.model import AnyList, ListError, ListKind
from auth.clients.notices import Notice, NoticeType, Notify
from auth.clients.parse import SIZE_LIMITS, parse


class Copies:
    """A folder of copies of the lists of one source. Safe for several processes at once."""

    def __init__(self, folder: Path, source: str, notify: Notify = lambda notice: None) -> None:
        self._folder = folder
        self._source = source
        self._notify = notify

    def load(self) -> tuple[Copy, ...]:
        """The copies of this source that are whole and still valid; a damaged one is left out with a notice."""
        copies: list[Copy] = []
        for kind in ListKind:
            try:
                copy = self._load(kind)
            except (OSError, ValueError, KeyError, TypeError, ListError) as error:
                self._notify(Notice(NoticeType.COPY_LOST, kind, f"the copy on disk cannot be used: {_cause(error)}"))
                continue
            if copy is not None:
                copies.append(copy)
        return tuple(copies)

    def keep(self, content: AnyList, data: bytes, confirmed: datetime) -> None:
        """Put this document on disk with its note. A higher number of the same source, kept by another, stays.

        A fault of the disk becomes a notice: the list in memory is in use all the same.
        """
        try:
            with self._locked():
                self._keep(content, data, confirmed)
        except OSError as error:
            self._notify(Notice(NoticeType.COPY_LOST, content.kind, f"the copy cannot be kept: {_cause(error)}"))

    def _load(self, kind: ListKind) -> Copy | None:
        document, note = self._files(kind)
        if not note.exists():
            return None
        with self._locked():
            facts = json.loads(note.read_text("utf-8"))
            if facts["source"] != self._source:
                return None
            if document.stat().st_size > SIZE_LIMITS[kind]:
                raise ValueError("it is too large")
            data = document.read_bytes()
        if hashlib.sha256(data).hexdigest() != facts["sha256"]:
            raise ValueError("it is not the document that was kept")
        return Copy(parse(kind, data), datetime.fromisoformat(facts["confirmed"]).astimezone(UTC))

    def _keep(self, content: AnyList, data: bytes, confirmed: datetime) -> None:
        document, note = self._files(content.kind)
        digest = hashlib.sha256(data).hexdigest()
        try:
            held = json.loads(note.read_text("utf-8"))
        except (OSError, ValueError):
            held = {}
        if held.get("source") == self._source and held.get("number", 0) > content.heading.number:
            return
        if held.get("sha256") != digest or not document.exists():
            _replace(document, data)
        facts = {
            "source": self._source,
            "number": content.heading.number,
            "sha256": digest,
            "confirmed": confirmed.astimezone(UTC).isoformat(),
        }
        _replace(note, json.dumps(facts, indent=1).encode())

    def _files(self, kind: ListKind) -> tuple[Path, Path]:
        document = self._folder / kind.file_name
        return document, document.with_suffix(".json")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _cause(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return error.text if isinstance(error, ListError) else str(error)[:100]
