"""Merged trees kept on disk, so that the next process need not read and merge what this one did.

One file per set of definitions, in a folder of its own beside the packages. Its name is a hash of what trees are made
by (our code and tables, the packages and what they hold); in it stands the hash of every definition that was read. What
does not agree, is damaged, or is not its owner's alone is as good as absent: trees are merged as without it. The file
changes no tree, and whoever may not write it goes without.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from msgspec import MsgspecError, Struct, json

from profiles.fhir import basetypes
from profiles.validation.schema.definitions import Definitions, plain
from profiles.validation.schema.keptrows import KeptTrees, TreeRows, rows_of
from profiles.validation.schema.nodes import Tree

FOLDER: Final = ".compiled"
"""In the package cache; other tools look for names with ``#`` there."""
NEW: Final = ".new-"
MOST_FILES: Final = 8
MOST_BYTES: Final = 128 * 1024 * 1024
CODE: Final = ("validation/schema/*", "zibs/*.py", "fhir/basetypes.py", "fhir/tables/*.py", "fhir/data/facts-*.json")
"""What makes trees of definitions, below ``profiles``."""
KIND: Final = "StructureDefinition"
DIGEST: Final = 64
"""Length of a hash as text."""


class KeptFile(Struct):
    """What a file holds: the hash of each definition by canonical URL (empty when no package has it), and the trees."""

    hashes: dict[str, str]
    trees: TreeRows


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=DIGEST // 2).hexdigest()


@cache
def _code() -> bytes:
    folder = Path(basetypes.__file__).parents[1]
    digest = hashlib.blake2b()
    for pattern in CODE:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


class KeptDefinitions:
    """The trees of a set of definitions in a folder."""

    def __init__(self, folder: Path, definitions: Definitions, release: str) -> None:
        """``folder`` need not exist. Nothing is read before the first tree is asked for."""
        self._folder = folder
        self._definitions = definitions
        self._release = release
        self._held: KeptTrees | None = None
        self._looked = False
        self._file: Path | None = None
        self._hashes: dict[str, str] = {}

    def tree(self, canonical: str) -> Tree | None:
        """The tree of a structure, when it is kept; else None.

        A version that takes another definition than the first of its URL settles which one every later tree rests
        on, so nothing is taken from here after it.
        """
        if not self._definitions.first(KIND, canonical):
            self._held, self._looked, self._file = None, True, None
            return None
        if not self._looked:
            self._looked = True
            self._held = self._read()
        url = plain(canonical)
        try:
            tree = self._held.tree(url) if self._held is not None else None
        except (MsgspecError, LookupError, ValueError, ArithmeticError, RecursionError):
            self._held = tree = None
        if tree is None and self._file is not None:
            self._hashes.setdefault(url, self._definition(url))  # Of what is going to be merged now.
        return tree

    def keep(self, trees: Iterable[Tree]) -> bool:
        """Write the trees, and those that were kept before; whether there was something new and it could be written."""
        known = {tree.url: tree for tree in trees}
        held = self._held
        before = held.urls() if held is not None else set()
        if self._file is None or not known.keys() - before:
            return False
        try:
            if held is not None:
                known |= {url: tree for url in sorted(before - known.keys()) if (tree := held.tree(url)) is not None}
            return self._write(self._file, known)
        except (OSError, MsgspecError, LookupError, ValueError, ArithmeticError, RecursionError):
            return False

    def _name(self) -> str:
        digest = hashlib.blake2b(_code(), digest_size=16)
        digest.update(self._release.encode())
        for package in self._definitions.packages:
            digest.update(f"\0{package.label}\0{type(package).__name__}\n".encode())
            for entry in package.entries():
                digest.update(f"{entry.type}\0{entry.url}\0{entry.version}\0{entry.file}\n".encode())
        return f"{self._release}-{digest.hexdigest()}.json"

    def _read(self) -> KeptTrees | None:
        self._file = self._folder / self._name()
        try:
            content = _own_file(self._file)
            if content is None or content[:DIGEST] != self._seal(self._file, content[DIGEST + 1 :]):
                return None
            read = json.decode(content[DIGEST + 1 :], type=KeptFile)
            same = all(self._definition(url) == known for url, known in read.hashes.items())
        except (OSError, MsgspecError, RecursionError):
            return None
        return KeptTrees(read.trees) if same else None

    @staticmethod
    def _seal(file: Path, body: bytes) -> bytes:
        """The first line of a file: a hash of its name and content, so that one does not pass for another."""
        return _hash(file.name.encode() + b"\n" + body).encode()

    def _definition(self, url: str) -> str:
        content = self._definitions.content(KIND, url)
        return "" if content is None else _hash(content)

    def _write(self, file: Path, trees: Mapping[str, Tree]) -> bool:
        if not self._folder.parent.is_dir():
            return False  # Nobody has packages here: no folder is made for somebody who did not ask.
        hashes = {url: self._definition(url) for url in trees}
        if any(hashes[url] != known for url, known in self._hashes.items() if url in hashes):
            return False  # A definition was replaced after it was merged.
        body = json.encode(KeptFile(hashes, rows_of(trees)))
        if len(body) > MOST_BYTES:
            return False
        self._folder.mkdir(mode=0o700, exist_ok=True)
        place, name = tempfile.mkstemp(dir=self._folder, prefix=NEW)  # For its owner alone.
        try:
            with os.fdopen(place, "wb") as out:
                out.write(self._seal(file, body) + b"\n" + body)
            Path(name).replace(file)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        self._tidy()
        return True

    def _tidy(self) -> None:
        """Remove the files of sets that were not written for longest, and what was broken off; others may do so too."""
        files = sorted(self._folder.glob("*.json"), key=_written, reverse=True)
        broken_off = [path for path in self._folder.glob(NEW + "*") if _written(path) < time.time() - 3600]
        for path in (*files[MOST_FILES:], *broken_off):
            with suppress(OSError):
                path.unlink()


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _own_file(path: Path) -> bytes | None:
    """The content of a file that only we, or the administrator, could have written; else None. May raise OSError."""
    place = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(place, "rb") as stream:
        state = os.fstat(place)
        if state.st_uid not in (os.geteuid(), 0) or state.st_mode & 0o022 or state.st_size > MOST_BYTES:
            return None
        return stream.read()
