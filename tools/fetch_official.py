"""Fetches official FHIR packages, qualification scripts and examples from where their publishers keep them.

    tools/fetch-official [--into ../shared] [--only packages|scripts|examples] [--registry URL] [--strict]

What is fetched, and what it must be, stands in tools/official.toml. What is there already is not fetched again; a
download that was broken off goes on where it stopped. Nothing from an archive is written outside its folder. Exit code
0 when everything is there, 1 when something is not or differs from the table, 2 for wrong usage.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.version import FhirVersion

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tools" / "official.toml"
MOST_BYTES = 1_000_000_000
MOST_FILES = 200_000
ATTEMPTS = 4
KINDS = ("packages", "scripts", "examples")


class FetchError(Exception):
    """Something could not be fetched, or is not what it must be; the text says what and why."""


@dataclass
class Fetching:
    """One run: where from, where to, and what came of it."""

    client: httpx.Client
    table: dict[str, Any]
    into: Path
    registry: str
    strict: bool = False
    say: Callable[[str], None] = print
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def _kept(self) -> Path:
        """Archives, parts of archives and the hashes of what came, beside the material itself."""
        return self.into / ".fetched"

    def run(self, kinds: tuple[str, ...]) -> None:
        """Fetch everything of these kinds; a fault of one thing keeps nothing else away."""
        self._kept.mkdir(parents=True, exist_ok=True)
        work: list[tuple[str, str, Callable[[dict[str, Any]], str]]] = [
            ("packages", "package", self._package),
            ("scripts", "tree", self._tree),
            ("examples", "examples", self._examples),
        ]
        for kind, rows, fetch in work:
            for row in self.table.get(rows, []) if kind in kinds else []:
                name = row.get("into") or f"{row['name']}@{row['version']}"
                try:
                    self.say(f"{name}: {fetch(row)}")
                except (FetchError, OSError, httpx.HTTPError, tarfile.TarError, EOFError) as fault:
                    self.faults.append(f"{name}: {str(fault) or type(fault).__name__}")
                    self.say(f"{name}: NOT FETCHED: {str(fault) or type(fault).__name__}")

    # --- packages ---------------------------------------------------------------------------------------------------

    def _package(self, row: dict[str, Any]) -> str:
        name, version = row["name"], row["version"]
        target = self.into / "packages" / f"{name}-{version}.tgz"
        if target.exists():
            return self._judged(row, target)
        part = self._kept / f"{name}-{version}.tgz.part"
        self._download(f"{self.registry.rstrip('/')}/{name}/{version}", part)
        try:
            said = self._judged(row, part)
            _package_of(part, name, version)
        except FetchError:
            part.unlink()
            raise
        target.parent.mkdir(parents=True, exist_ok=True)
        part.rename(target)
        return said

    def _judged(self, row: dict[str, Any], archive: Path) -> str:
        """Whether an archive is the one of the table. A rebuilt one cannot be: what came first is held to later."""
        found, key = _hash(archive.read_bytes()), f"{row['name']}@{row['version']}"
        if found == row.get("sha256"):
            return "as in the table"
        if not row.get("rebuilt") or self.strict:
            raise FetchError(f"SHA-256 is {found}, and must be {row.get('sha256')}")
        pins = self._pins()
        if pins.setdefault(key, found) != found:
            raise FetchError(f"SHA-256 is {found}, and was {pins[key]} when it was first fetched")
        (self._kept / "pins.json").write_text(json.dumps(pins, indent=1, sort_keys=True))
        self.notes.append(f"{key}: other bytes than the copy that the tests were written with")
        return "from the registry; its hash is kept"

    def _pins(self) -> dict[str, str]:
        path = self._kept / "pins.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    # --- scripts and examples ---------------------------------------------------------------------------------------

    def _tree(self, row: dict[str, Any]) -> str:
        target = self.into / row["into"]
        if not target.is_dir():
            wanted = set(row["parts"])
            with self._unpacked(row) as folder:
                source = folder / row["take"]
                if not source.is_dir():
                    raise FetchError(f"{row['repository']} has no folder {row['take']}")
                for one in list(source.iterdir()):
                    if one.name not in wanted:
                        shutil.rmtree(one) if one.is_dir() else one.unlink()
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(source, target)
        files, found = tree_hash(target)
        if found == row["sha256"]:
            return f"as in the table ({files} files)"
        if self.strict:
            raise FetchError(f"{files} files with SHA-256 {found}, and must be {row['files']} with {row['sha256']}")
        self.notes.append(f"{row['into']}: {files} files, not the {row['files']} that the tests were written with")
        return f"{files} files, other than in the table"

    def _examples(self, row: dict[str, Any]) -> str:
        """Examples are published as XML; tests read them as JSON, made by our own codec."""
        target = self.into / row["into"]
        if target.is_dir():
            return "there"
        version, lacking = FhirVersion.of(row["fhir"]), []
        making = Path(tempfile.mkdtemp(prefix=".examples-", dir=self._kept))
        with self._unpacked(row) as folder:
            known = {path.stem: path for path in sorted((folder / row["take"]).rglob("*.xml"), reverse=True)}
            for form in ("json", "xml"):
                (making / form).mkdir()
            for stem in sorted({*row["json"], *row["xml"]}):
                try:
                    data = known[stem].read_bytes()
                    if stem in row["json"]:
                        (making / "json" / f"{stem}.json").write_bytes(jsonio.dump(xmlio.parse(data, version)))
                    if stem in row["xml"]:
                        (making / "xml" / f"{stem}.xml").write_bytes(data)
                except (KeyError, FormatError):
                    lacking.append(stem)
        if len(lacking) == len({*row["json"], *row["xml"]}):
            shutil.rmtree(making)
            raise FetchError(f"{row['repository']} has none of the examples in {row['take']}")
        target.parent.mkdir(parents=True, exist_ok=True)
        making.rename(target)
        if lacking:
            self.notes.append(f"{row['into']}: without {len(lacking)} examples, among them {lacking[0]}")
        return f"{len(row['json']) - len(set(lacking) & set(row['json']))} examples"

    def _unpacked(self, row: dict[str, Any]) -> "Unpacked":
        repository, ref = row["repository"], row["ref"]
        archive = self._kept / f"{repository.replace('/', '_')}-{ref}.tar.gz"
        if not archive.exists():
            part = archive.with_name(archive.name + ".part")
            self._download(self.table["archives"].format(repository=repository, ref=ref), part)
            part.rename(archive)
        return Unpacked(archive, self._kept, row["take"])

    # --- network ----------------------------------------------------------------------------------------------------

    def _download(self, url: str, part: Path) -> None:
        """Into a file; goes on where an earlier attempt stopped when the server can. FetchError, httpx.HTTPError."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(url, part)
            except httpx.TransportError:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError

    def _attempt(self, url: str, part: Path) -> None:
        done = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={done}-"} if done else {})}
        with self.client.stream("GET", url, headers=headers) as answer:
            for step in (*answer.history, answer):
                if step.url.scheme != "https" and step.url.host not in ("127.0.0.1", "localhost"):
                    raise FetchError(f"{step.url.host} would send it without TLS; refused")
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink()
                raise httpx.ReadError("what was kept is not the beginning of what is there now")
            if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                raise FetchError(f"{url} answers {answer.status_code}")
            goes_on = answer.status_code == httpx.codes.PARTIAL_CONTENT
            size = done if goes_on else 0
            with part.open("ab" if goes_on else "wb") as file:
                for piece in answer.iter_bytes():
                    size += len(piece)
                    if size > MOST_BYTES:
                        raise FetchError(f"{url} gives more than {MOST_BYTES} bytes")
                    file.write(piece)


class Unpacked:
    """The part of an archive that is wanted, in a folder that is gone afterwards."""

    def __init__(self, archive: Path, beside: Path, take: str) -> None:
        self._archive, self._beside, self._take = archive, beside, take

    def __enter__(self) -> Path:
        self._folder = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=self._beside))
        try:
            with tarfile.open(self._archive) as archive:
                for path, member in _members(archive):
                    inner = PurePosixPath(*path.parts[1:])
                    if member.isfile() and inner.is_relative_to(self._take):
                        target = self._folder / inner
                        target.parent.mkdir(parents=True, exist_ok=True)
                        if (content := archive.extractfile(member)) is not None:
                            with target.open("wb") as file:
                                shutil.copyfileobj(content, file)
        except (FetchError, tarfile.TarError, EOFError, OSError):
            self.__exit__()
            self._archive.unlink(missing_ok=True)
            raise
        return self._folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _members(archive: tarfile.TarFile) -> Iterator[tuple[PurePosixPath, tarfile.TarInfo]]:
    """The members of an archive; FetchError when one could lead elsewhere, or when there is too much."""
    total = 0
    for count, member in enumerate(archive):
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
            raise FetchError(f"the archive holds a path that leads elsewhere: {member.name!r}")
        total += member.size
        if count > MOST_FILES or total > MOST_BYTES:
            raise FetchError("the archive unpacks to more than is allowed")
        yield path, member


def _package_of(archive: Path, name: str, version: str) -> None:
    """FetchError when an archive is not the FHIR package of this name and version."""
    try:
        with tarfile.open(archive) as package:
            members = {str(path): member for path, member in _members(package)}
            content = package.extractfile(members["package/package.json"])
            said = json.loads(content.read() if content else b"null")
    except (tarfile.TarError, EOFError, KeyError, ValueError) as problem:
        raise FetchError(f"what came is no FHIR package ({type(problem).__name__})") from problem
    if not isinstance(said, dict) or (said.get("name"), said.get("version")) != (name, version):
        raise FetchError("what came is another package")


def tree_hash(folder: Path) -> tuple[int, str]:
    """How many files a folder holds, and one hash over their paths and contents."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    rows = sorted((path.relative_to(folder).as_posix(), _hash(path.read_bytes())) for path in paths)
    return len(rows), _hash("".join(f"{found}  {path}\n" for path, found in rows).encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main(words: list[str] | None = None) -> int:
    """Fetch, and say in a line what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--into", type=Path, default=ROOT.parent / "shared", help="the folder (GATEWAY_SHARED of tests)"
    )
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind of material; may be repeated")
    parser.add_argument("--registry", default=os.environ.get("GATEWAY_PACKAGE_REGISTRY"), help="URL of a FHIR registry")
    parser.add_argument("--table", type=Path, default=TABLE, help=argparse.SUPPRESS)
    parser.add_argument("--strict", action="store_true", help="refuse what differs from the table, rebuilt or not")
    options = parser.parse_args(words)
    table = tomllib.loads(options.table.read_text("utf-8"))
    registry = options.registry or table["registry"]
    with httpx.Client(follow_redirects=True, timeout=60) as client:
        run = Fetching(client, table, options.into, registry, options.strict)
        run.run(tuple(options.only or KINDS))
    for note in run.notes:
        print(f"note: {note}")
    print(f"{len(run.faults)} not fetched, {len(run.notes)} notes; the folder is {options.into}")
    if options.into.resolve() != (ROOT.parent / "shared").resolve():
        print(f"run the tests with GATEWAY_SHARED={options.into.resolve()}")
    return 1 if run.faults else 0


if __name__ == "__main__":
    sys.exit(main())
