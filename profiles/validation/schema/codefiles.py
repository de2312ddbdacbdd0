"""The files that code systems are delivered in: SNOMED CT as RF2, others as tables of text with heads."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from profiles.validation.schema.codestore import Loaded, StoreError, write

SNOMED: Final = "http://snomed.info/sct"
IS_A: Final = "116680003"
Opener = Callable[[], IO[bytes]]


def add_snomed(store: Path, release: Path) -> Loaded:
    """Read the snapshot of a SNOMED CT release (a folder, or the archive as it is delivered) into the store.

    Active concepts, is-a relationships and members of refsets. StoreError when a part of it is not there.
    """
    with _files(release) as files:
        concepts = _named(files, "sct2_Concept_Snapshot")
        relations = _named(files, "sct2_Relationship_Snapshot")
        if not concepts or not relations:
            raise StoreError(f"{release.name} holds no RF2 snapshot of SNOMED CT")
        refsets = [one for name, one in files.items() if name.startswith("der2_") and "Snapshot" in name]
        return write(
            store,
            SNOMED,
            release.name,
            ((row["id"], "") for row in _active(concepts)),
            ((row["sourceId"], row["destinationId"]) for row in _active(relations) if row["typeId"] == IS_A),
            ((row["refsetId"], row["referencedComponentId"]) for row in _active(refsets)),
        )


def add_table(store: Path, url: str, table: Path, code: str, display: str = "") -> Loaded:
    """Read a code system from a table of text with heads: comma, semicolon or tab, UTF-8 or Windows.

    ``code`` and ``display`` are heads. StoreError when the table has no such head.
    """
    try:
        data = table.read_bytes()
    except OSError as fault:
        raise StoreError(f"{table.name} cannot be read") from fault
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    head = text.partition("\n")[0]
    separator = max("\t;,", key=head.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    absent = {code, display} - {""} - set(rows.fieldnames or ())
    if absent:
        raise StoreError(f"{table.name} has no column {', '.join(sorted(absent))}")
    found = (((row[code] or "").strip(), (row.get(display) or "").strip()) for row in rows)
    return write(store, url, table.name, (row for row in found if row[0]))


@contextmanager
def _files(release: Path) -> Iterator[dict[str, Opener]]:
    """The text files of a release, by name: of a folder, or of a zip archive."""
    if release.is_dir():
        yield {path.name: lambda path=path: path.open("rb") for path in sorted(release.rglob("*.txt"))}  # type: ignore[misc]
        return
    try:
        with zipfile.ZipFile(release) as archive:
            names = [name for name in archive.namelist() if name.endswith(".txt")]
            yield {name.rpartition("/")[2]: lambda name=name: archive.open(name) for name in names}  # type: ignore[misc]
    except (OSError, zipfile.BadZipFile) as fault:
        raise StoreError(f"{release.name} is neither a folder nor a zip archive") from fault


def _named(files: dict[str, Opener], begin: str) -> list[Opener]:
    return [one for name, one in files.items() if name.startswith(begin)]


def _active(files: list[Opener]) -> Iterator[dict[str, Any]]:
    """The active rows of RF2 files: tabs, heads, no quoting."""
    for opened in files:
        with opened() as stream:
            lines = io.TextIOWrapper(stream, encoding="utf-8", newline="")
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row.get("active") == "1":
                    yield row
