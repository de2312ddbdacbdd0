"""The index of an import: what the files hold, on disk while it runs, so that memory does not grow with the import.

The first reading fills it: a row per resource, with its place in the files, its content's digest and what it points at.
Then it is asked in which release each resource is, what is said twice, and what belongs together. Whose something is,
is not decided here but by the walk, which sees at once what the index puts together.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from gateway.intake import gather
from gateway.intake.tasks import Key
from profiles.fhir.version import FhirVersion

BIT = {FhirVersion.STU3: 1, FhirVersion.R4: 2}
BOTH = 3
VERSIONS = {bit: version for version, bit in BIT.items()}
SHARED, COMPANION, FOLLOWS, OWN, NUMBERED = "shared", "companion", "follows", "own", "numbered"
"""What a resource is that names no patient (profiles/record/whose.toml); ``numbered`` is a Patient with a BSN."""
FIRST = ("Patient", "EpisodeOfCare", "Encounter")
"""Within a person's record these come first: the rest stands on them."""
SHARED_FIRST = ("Organization", "Location", "Endpoint", "Practitioner", "HealthcareService", "PractitionerRole")
"""Among what is shared these come first: the rest takes its names from them."""


def mask_of(versions: Iterable[FhirVersion]) -> int:
    """Releases as a number."""
    return sum(BIT[version] for version in versions)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A resource as the first reading saw it. ``releases`` are those that it may be in, ``whose`` the patient that it
    names (empty: none), ``kind`` what it is when it names none, ``context`` the encounter or episode in which it was
    recorded."""

    key: Key
    origin: str
    file: int
    offset: int
    length: int
    format: str
    digest: bytes
    releases: int
    whose: str
    kind: str
    context: Key | None
    links: frozenset[Key]
    urls: bytes
    sealed: bytes | None
    """What stood in a Bundle, sealed: it is not read again from the file."""
    raw: bytes
    """Digest of the bytes in the file, to see that they did not change."""


@dataclass(frozen=True, slots=True)
class IndexPlace:
    """A resource whose turn it is, and where it lies. ``group`` is the patient with whose record it goes, if any."""

    key: Key
    version: FhirVersion
    origin: str
    file: Path
    offset: int
    length: int
    format: str
    raw: bytes
    urls: bytes
    sealed: bytes | None
    group: str
    found: bool
    """Whether ``group`` follows from what points at it, or what it points at, and not from itself."""
    second: bool
    """Whether it is there in the other release as well, and had its turn there."""
    apart: bool
    """Whether it names a person who has a record of their own in this import, whoever's episode it names besides."""


class ImportIndex:
    """A database in a folder that goes when the import ends."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "index.db", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-32000", "temp_store=FILE"):
            self._db.execute(f"PRAGMA {pragma}")
        self._all(gather.TABLES)
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Let go of it."""
        self._db.close()

    def file(self, path: Path) -> int:
        """Note a file; its number."""
        row = (str(path.parent), path.name)
        return int(self._db.execute("INSERT INTO file (folder, name) VALUES (?, ?)", row).lastrowid or 0)

    def add(self, entry: IndexEntry) -> None:
        """Note a resource."""
        type_, id_ = entry.key
        order = SHARED_FIRST if entry.kind == SHARED else FIRST
        rank = 2 * (order.index(type_) if type_ in order else len(order))
        rank += any(target[0] == type_ for target in entry.links)
        told = entry.releases != BOTH
        added = self._db.execute(
            gather.ADD_ITEM,
            (
                type_, id_, entry.origin, entry.file, entry.offset, entry.length, entry.format, entry.digest,
                entry.releases, told, not told, entry.whose, entry.kind, *(entry.context or ("", "")), rank,
                entry.urls, entry.sealed, entry.raw,
            ),
        ).lastrowid  # fmt: skip
        if entry.links:
            self._db.executemany("INSERT INTO link VALUES (?, ?, ?)", [(added, *target) for target in entry.links])

    def read(self) -> int:
        """Everything was noted; how many resources."""
        self._all(gather.INDEXES)
        return int(self._db.execute("SELECT count(*) FROM item").fetchone()[0])

    # --- in which release ------------------------------------------------------------------------------------------

    def untold(self) -> Iterator[list[Key]]:
        """The keys of resources that fit every release, in pieces."""
        last = 0
        while rows := self._db.execute(
            "SELECT pk, type, id FROM item WHERE NOT told AND pk > ? ORDER BY pk LIMIT 400", (last,)
        ).fetchall():
            last = rows[-1][0]
            yield [(row[1], row[2]) for row in rows]

    def stored(self, version: FhirVersion, keys: Iterable[Key]) -> None:
        """Note which of them the store has in this release already."""
        self._db.executemany("INSERT INTO stored VALUES (?, ?, ?)", [(*key, BIT[version]) for key in keys])

    def settle_releases(self, served: int) -> int:
        """Decide the releases of what fits every one; how many nothing told, which go to those that are ``served``.

        What stands in the same file tells, if it is in one release; then what points at it or it points at, in the same
        folder; then the folder; then the same in the whole import; then what the store has. What two releases point at
        is in both, and so is what the store has in both: no copy is left behind.
        """
        for step in gather.RELEASES:
            while self._db.execute(step).rowcount > 0:
                pass
        self._db.execute(gather.STORED_ONLY)
        left = self._db.execute(gather.SERVED, (served or BOTH,)).rowcount
        self._db.execute(gather.STORED_TOO)
        return left

    # --- what is said twice, and what belongs together -------------------------------------------------------------

    def gather(self) -> None:
        """Find what is said twice, and put together what goes with one patient."""
        self._all(gather.COPIES)
        self._all(gather.GROUPS)
        while self._db.execute(gather.SPREAD).rowcount > 0:
            pass
        self._all(gather.OPEN)
        while self._db.execute(gather.TOGETHER).rowcount > 0:
            pass
        self._all(gather.ORDER)

    def kept_out(self) -> Iterator[tuple[str, Key, str]]:
        """What gets no turn: place, key, and why: again (the same content), differs, many (of more patients)."""
        for origin, type_, id_, state in self._db.execute(gather.STATES):
            yield origin, (type_, id_), state

    def batches(self, most: int, most_bytes: int) -> Iterator[list[IndexPlace]]:
        """What is next, in order: whole persons together, unless one is more than ``most`` resources or bytes."""
        batch: list[IndexPlace] = []
        size = 0
        rows = map(_place, self._db.execute(gather.NEXT))
        for _, group in groupby(rows, key=lambda one: (one.version, one.group)):
            for number, chosen in enumerate(_pieces(group, most, most_bytes)):
                # In the first piece what it belongs to is seen beside it; only what comes later has to be told.
                piece = chosen if number else [replace(one, found=False) if one.found else one for one in chosen]
                added = sum(one.length for one in piece)
                other = batch and batch[0].version is not piece[0].version
                if batch and (other or len(batch) + len(piece) > most or size + added > most_bytes):
                    yield batch
                    batch, size = [], 0
                batch, size = batch + piece, size + added
        if batch:
            yield batch

    def _all(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self._db.execute(statement)


def _place(
    row: tuple[str, str, int, str, str, str, int, int, str, bytes, bytes, bytes | None, str, int, int, int],
) -> IndexPlace:
    type_, id_, release, origin, folder, name, start, length, format_ = row[:9]
    raw, urls, sealed, group, found, second, apart = row[9:]
    group = "" if group.startswith("?") else group
    file = Path(folder, name)
    return IndexPlace((type_, id_), VERSIONS[release], origin, file, start, length, format_, raw, urls, sealed, group,
                 bool(found), bool(second), bool(apart))  # fmt: skip


def _pieces(group: Iterable[IndexPlace], most: int, most_bytes: int) -> Iterator[list[IndexPlace]]:
    piece: list[IndexPlace] = []
    size = 0
    for one in group:
        if piece and (len(piece) >= most or size + one.length > most_bytes):
            yield piece
            piece, size = [], 0
        piece.append(one)
        size += one.length
    if piece:
        yield piece
