"""Where the bytes are: a directory of this machine, or anything that fsspec reaches."""

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

from adapters.port import AdapterDown, AdapterMisconfigured


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file: its path below the root, its size, and something that changes when it changes."""

    path: PurePosixPath
    size: int
    stamp: str


class FileTree(Protocol):
    """A tree of files, read only."""

    def items(self) -> Iterator[StoredFile]:
        """All files. Raises `AdapterDown`."""
        ...

    def open(self, path: PurePosixPath) -> AbstractContextManager[BinaryIO]:
        """One file of `items`. Raises OSError."""
        ...


class Directory:
    """A directory. Links that lead out of it are not followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def items(self) -> Iterator[StoredFile]:
        """All files below the root."""
        if not self._root.is_dir():
            raise AdapterDown("the source is not available", cause="no such directory")
        inside = self._root.resolve()
        for path in sorted(self._root.rglob("*")):
            if path.is_file() and path.resolve().is_relative_to(inside):
                known = path.stat()
                relative = PurePosixPath(path.relative_to(self._root).as_posix())
                yield StoredFile(relative, known.st_size, str(known.st_mtime_ns))

    def open(self, path: PurePosixPath) -> AbstractContextManager[BinaryIO]:
        """Open a file."""
        return (self._root / path).open("rb")


class ObjectStore:
    """An object store through fsspec: a library of its own, installed with the extra ``object-store``."""

    def __init__(self, address: str, options: dict[str, Any]) -> None:
        try:
            fsspec: Any = importlib.import_module("fsspec.core")
            self._fs, self._root = fsspec.url_to_fs(address, **options)
        except (ImportError, ValueError) as error:
            text = "this address needs fsspec (install the extra object-store) and the driver of its scheme"
            raise AdapterMisconfigured(text, cause=error) from error

    def items(self) -> Iterator[StoredFile]:
        """All objects below the root."""
        try:
            found: dict[str, dict[str, Any]] = self._fs.find(self._root, detail=True)
        except Exception as error:
            raise AdapterDown("the source is not available", cause=type(error).__name__) from error
        for name, known in sorted(found.items()):
            relative = name.removeprefix(self._root.rstrip("/")).lstrip("/")
            stamp = str(known.get("ETag") or known.get("mtime") or known.get("created") or known.get("LastModified"))
            yield StoredFile(PurePosixPath(relative), int(known.get("size") or 0), stamp)

    def open(self, path: PurePosixPath) -> AbstractContextManager[BinaryIO]:
        """Open an object."""
        return cast("AbstractContextManager[BinaryIO]", self._fs.open(f"{self._root.rstrip('/')}/{path}", "rb"))


def open_store(address: str, options: dict[str, Any]) -> FileTree:
    """The store at an address."""
    return ObjectStore(address, options) if "://" in address else Directory(Path(address))
