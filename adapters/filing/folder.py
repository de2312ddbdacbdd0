"""Filing in a folder: one folder per item, complete at once, for another program to take away."""

import asyncio
import os
import shutil
from pathlib import Path

from adapters.filing.port import AcceptedItem, Filed, Filing, Later
from adapters.filing.settings import FolderFiling
from profiles.fhir.codec import jsonio

ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/jp2": "jp2"}


class FolderWriteBack:
    """One folder."""

    def __init__(self, settings: FolderFiling) -> None:
        self.name = settings.name
        self._settings = settings

    def takes(self, standard: str, type_: str) -> bool:
        """See WriteBack."""
        return self._settings.takes(standard, type_)

    async def aclose(self) -> None:
        """Nothing is kept open."""

    async def file(self, item: AcceptedItem) -> Filing:
        """See WriteBack."""
        try:
            return await asyncio.to_thread(self._file, item)
        except OSError as fault:
            return Later(f"the folder cannot be written: {type(fault).__name__}")

    def _file(self, item: AcceptedItem) -> Filing:
        # The id is a uuid of ours: a name that cannot leave the folder.
        final, draft = self._settings.folder / item.id, self._settings.folder / f".{item.id}"
        if final.exists():
            return Filed(item.id)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        told = {
            "patient": item.patient_id, "bsn": item.bsn, "type": item.type, "standard": item.standard,
            "title": item.title, "sent": item.sent.isoformat(), "accepted": item.accepted.isoformat(),
            "accepted_by": item.accepted_by,
        }  # fmt: skip
        _write(draft / "about.json", jsonio.dump(told))
        _write(draft / "resource.json", jsonio.dump(item.resource))
        for number, part in enumerate(item.parts, 1):
            _write(draft / f"part-{number}.json", jsonio.dump(part))
        for number, one in enumerate(item.files, 1):
            _write(draft / f"file-{number}.{ENDINGS.get(one.media, 'bin')}", one.content)
        if item.readable:
            _write(draft / "readable.pdf", item.readable)
        draft.rename(final)
        return Filed(item.id)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
