"""Make the tables anew from definition packages: ``python -m profiles.zibs.extract PACKAGE... [--into FOLDER]``.

PACKAGE is a ``.tgz`` file or the folder of an unpacked package; earlier ones win. Which structures are taken is told
by ``release.yaml`` in the folder: all of the packages named there, or those of its ``profiles``, and single ones of the
core package; with all that these refer to. What was corrected by hand (names of concepts, words for invariants) is in
that file too, and survives.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from profiles.fhir import basetypes
from profiles.fhir.version import FhirVersion
from profiles.validation.schema.basefacts import BaseTrees
from profiles.validation.schema.definitions import Definitions, plain
from profiles.validation.schema.merge import Merger
from profiles.validation.schema.nodes import HL7, Node
from profiles.validation.schema.package import Entry, Package, PackageError, open_package
from profiles.validation.schema.packages import install
from profiles.zibs import facts, sets
from profiles.zibs.load import ABOUT, ROOT
from profiles.zibs.names import ZibNames
from profiles.zibs.notation import read
from profiles.zibs.writer import write

FOLDERS: Final = {"extension": "extensions", "datatype": "datatypes", "profile": "."}


class FactSource:
    """The packages that facts are taken from, and the structures of them that the release wants."""

    def __init__(self, packages: Sequence[Package], about: dict[str, Any]) -> None:
        self.about = about
        self.definitions = Definitions(packages)
        self.each = [Definitions([package]) for package in packages]
        self.version = FhirVersion.of(str(about["fhir"]))
        self.types = basetypes.facts(self.version).types
        self.merger = Merger(self.definitions, BaseTrees(self.version))
        self._entries: dict[str, tuple[Package, Entry]] = {}
        for package in packages:
            for entry in package.entries():
                if entry.type == "StructureDefinition":
                    self._entries.setdefault(entry.url, (package, entry))
        wanted = set(about["packages"])
        missing = wanted - {package.label for package in packages}
        if missing:
            raise PackageError(f"release.yaml takes its facts from {', '.join(sorted(missing))}: give that package")
        chosen = about.get("profiles")
        self.urls = [
            entry.url
            for package in packages
            if package.label in wanted
            for entry in package.entries()
            if entry.type == "StructureDefinition" and (chosen is None or entry.url.rpartition("/")[2] in chosen)
        ]
        if chosen is not None and len(self.urls) < len(chosen):
            absent = set(chosen) - {url.rpartition("/")[2] for url in self.urls}
            raise PackageError(f"release.yaml names profiles that no package holds: {', '.join(sorted(absent))}")
        self.urls += [HL7 + name for name in about.get("core", ())]

    def structures(self) -> dict[str, dict[str, Any]]:
        """The wanted structures and all that they refer to, by canonical URL; base types and unknown ones left out."""
        chosen: dict[str, dict[str, Any]] = {}
        queue = list(self.urls)
        while queue:
            url = plain(queue.pop())
            if url in chosen or url.removeprefix(HL7) in self.types:
                continue
            data = self._published(url)
            if data is not None and data.get("derivation") == "constraint":
                chosen[url] = data
                queue.extend(references(data))
        for url, data in chosen.items():
            self._complete(url, data)
        return dict(sorted(chosen.items()))

    def _published(self, url: str) -> dict[str, Any] | None:
        """A structure as it was published: repairs are made when a table is read, as for packages."""
        package, entry = self._entries.get(url, (None, None))
        return package.read(entry) if package is not None and entry is not None else None

    def base_types(self, structures: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The published definitions of the FHIR types that the structures are made of."""
        names = sorted({str(data["type"]) for data in structures})
        found = [self.definitions.structure(HL7 + name) for name in names]
        return [data for data in found if data is not None and "snapshot" in data]

    def _complete(self, url: str, data: dict[str, Any]) -> None:
        """Write out the value sets of bindings that only name a strength and mean the value set of the parent."""
        bare = {
            str(element["id"]): element["binding"]
            for element in data["differential"]["element"]
            if "binding" in element and not any(sets.bound(element))
        }
        if bare:
            for node in nodes(self.merger.tree(url).root):
                if node.source == url and node.id in bare and node.binding and node.binding.value_set:
                    bare[node.id]["valueSetReference"] = {"reference": node.binding.value_set}


def nodes(node: Node) -> Iterator[Node]:
    """A merged element and all below it."""
    yield node
    for child in [*(node.children or {}).values(), *node.slices.values()]:
        yield from nodes(child)


def references(data: dict[str, Any]) -> Iterable[str]:
    """The structures that a structure refers to: its parent, and the profiles on its types."""
    yield str(data["baseDefinition"])
    for element in data["differential"]["element"]:
        for one in element.get("type", ()):
            for key in ("profile", "targetProfile"):
                value = one.get(key)
                yield from [value] if isinstance(value, str) else value or ()


def folder_of(data: dict[str, Any]) -> str:
    """The folder in which the table of a structure is kept."""
    if data["type"] == "Extension":
        return FOLDERS["extension"]
    return FOLDERS["datatype" if data.get("kind") == "complex-type" else "profile"]


def extract(packages: Sequence[Package], about: dict[str, Any]) -> dict[str, str]:
    """All tables, by file. PackageError, LookupError when something is missing."""
    source = FactSource(packages, about)
    structures = source.structures()
    value_sets = sets.collect(structures.values(), source.definitions)
    systems = sets.systems(value_sets.values(), source.base_types(structures.values()), source.definitions)
    system_names = sets.names(systems)
    named = {url: url.rpartition("/")[2] for url in structures}
    named |= sets.names(value_sets)

    def name(url: str) -> str:
        bare = plain(url)
        short = bare.removeprefix(HL7)
        return named.get(bare) or (short if short in source.types else url)

    known = ZibNames(about.get("names") or {})
    for data in structures.values():
        known.learn(data)
    words = about.get("words") or {}
    files = {}
    for url, data in structures.items():
        file = (Path(folder_of(data)) / f"{named[url]}.yaml").as_posix()
        files[file] = write(facts.table(data, known, name, words))
    for url, data in value_sets.items():
        files[f"valuesets/{named[url]}.yaml"] = write(sets.table(data, source.definitions, source.each, name))
    for url, data in systems.items():
        files[f"codesystems/{system_names[url]}.yaml"] = write(sets.system_table(data))
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m profiles.zibs.extract", description="Make the zib tables anew.")
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", type=Path)
    parser.add_argument("--into", type=Path, default=ROOT / "2017", help="the folder that holds release.yaml")
    options = parser.parse_args(arguments)
    about = read((options.into / ABOUT).read_text(encoding="utf-8"), ABOUT)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            packages = [_opened(path, Path(temporary)) for path in options.packages]
            files = extract(packages, about)
    except (PackageError, LookupError, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    for path in options.into.rglob("*.yaml"):
        if path.relative_to(options.into).as_posix() not in {ABOUT, *files}:
            path.unlink()
    for file, text in files.items():
        target = options.into / file
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(files)} tables, {sum(len(text.encode()) for text in files.values())} bytes\n")
    return 0


def _opened(path: Path, cache: Path) -> Package:
    return install(path.read_bytes(), cache) if path.is_file() else open_package(path)


if __name__ == "__main__":
    raise SystemExit(main())
