"""Where scripts and fixtures come from: a folder or a .zip, read without ever leaving it."""

import posixpath
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

MAX_FILES = 20_000
MAX_SIZE = 64_000_000
MAX_TOTAL = 2_000_000_000


class MissingFile(ValueError):
    """A file that a script names and that is not there, or that lies outside the set."""


class Files(Protocol):
    """Files by their relative path with forward slashes."""

    names: Sequence[str]

    def read(self, name: str) -> bytes:
        """The bytes of a file; MissingFile when it is not in the set."""


def inside(folder: str, reference: str) -> str:
    """The path of a reference made from a folder; MissingFile when it leads outside."""
    path = posixpath.normpath(posixpath.join(folder, reference.replace("\\", "/")))
    if path.startswith(("../", "/")) or path == "..":
        raise MissingFile(f"{reference} lies outside the set")
    return path


class ScriptFolder:
    """A folder on disk; links that lead outside it are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        inner = (path for path in self.root.rglob("*") if path.is_file() and path.resolve().is_relative_to(self.root))
        found = sorted(path.relative_to(self.root).as_posix() for path in inner)
        if len(found) > MAX_FILES:
            raise MissingFile(f"{root}: more than {MAX_FILES} files; name a folder further down")
        self.names: Sequence[str] = found

    def read(self, name: str) -> bytes:
        path = (self.root / inside("", name)).resolve()
        if not path.is_relative_to(self.root) or not path.is_file():
            raise MissingFile(f"{name} is not in the set")
        if path.stat().st_size > MAX_SIZE:
            raise MissingFile(f"{name} is larger than {MAX_SIZE} bytes")
        return path.read_bytes()


class Archive:
    """A .zip file, read in place."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise MissingFile(f"{path.name}: {error}") from None
        entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_TOTAL:
            raise MissingFile(f"{path.name}: too many or too large files")
        named = {posixpath.normpath(one.filename.replace("\\", "/")): one for one in entries}
        self._entries = {name: one for name, one in named.items() if not name.startswith(("../", "/"))}
        self.names: Sequence[str] = sorted(self._entries)

    def read(self, name: str) -> bytes:
        entry = self._entries.get(inside("", name))
        if entry is None:
            raise MissingFile(f"{name} is not in the archive")
        with self._zip.open(entry) as stream:
            data = stream.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise MissingFile(f"{name} is larger than {MAX_SIZE} bytes")
        return data


def open_files(path: Path) -> tuple[Files, str]:
    """The files that belong to a path and the place within them where it starts.

    A folder within a set (a role folder) opens the whole set, since its scripts refer to ``../_reference``: the set is
    the nearest folder, the path itself or one above it, that holds a folder ``_reference...`` or ``_LoadResources``.
    MissingFile when the path is neither a folder nor a .zip.
    """
    if path.is_file():
        return Archive(path), ""
    if not path.is_dir():
        raise MissingFile(f"{path}: no such folder or .zip file")
    start = path.resolve()
    for folder in (start, *start.parents[:4]):
        if any(
            child.is_dir() and child.name.startswith(("_reference", "_LoadResources")) for child in folder.iterdir()
        ):
            return ScriptFolder(folder), start.relative_to(folder).as_posix().removeprefix(".")
    return ScriptFolder(start), ""
