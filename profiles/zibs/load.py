"""The tables as a source of definitions: a package whose resources are made from our YAML when they are asked for.

`Tables` takes the place of a definition package; put after the official packages it fills in what they do not hold,
because earlier packages win. Only the first line of every table is looked at before it is needed.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from profiles.fhir import basetypes
from profiles.fhir.version import FhirVersion
from profiles.validation.run import evaluate
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.nodes import HL7
from profiles.validation.schema.package import Entry, Package
from profiles.validation.schema.terminology import Server
from profiles.zibs.naming import named
from profiles.zibs.notation import BAR, TableError, read
from profiles.zibs.structures import structure
from profiles.zibs.valuesets import code_system, value_set

ROOT: Final = Path(__file__).parent
RELEASES: Final = {FhirVersion.STU3: "2017", FhirVersion.R4: "2020"}
"""The release of the zibs that we have tables of, by FHIR release."""
KINDS: Final = {"structure": "StructureDefinition", "valueset": "ValueSet", "codesystem": "CodeSystem"}
ABOUT: Final = "release.yaml"


class Tables(Package):
    """The tables of one release in a folder; reads as a package of structures, value sets and code systems."""

    def entries(self) -> list[Entry]:
        """All structures, value sets and code systems, by file."""
        return self._entries

    def read(self, entry: Entry) -> dict[str, Any]:
        """The definition made from a table; TableError says what is wrong with the table, and where."""
        table = self.table(entry)
        if entry.type == "ValueSet":
            return value_set(table, entry.file, self.value_set_url)
        if entry.type == "CodeSystem":
            return code_system(table, entry.file)
        found = structure(table, entry.file, self.profile_url, self.value_set_url)
        return {**found, "fhirVersion": self.fhir[0]}

    def table(self, entry: Entry) -> dict[str, Any]:
        """The table itself, as it stands in its file."""
        return read((self.folder / entry.file).read_text(encoding="utf-8"), entry.file)

    def names(self, url: str) -> dict[str, str]:
        """The ``zib`` of the rows of a structure (concept id | Dutch | English) by element id; empty without table."""
        entry = next((one for one in self.entries() if one.url == url and one.type == "StructureDefinition"), None)
        if entry is None:
            return {}
        table = self.table(entry)
        found = {key: row["zib"] for key, row in table["elements"].items() if row and "zib" in row}
        return {table["type"]: table["zib"], **found} if "zib" in table else found

    def profile_url(self, name: str) -> str | None:
        """The canonical URL of a structure by the name of its table, of a FHIR type by its name; a URL is itself."""
        found = self._names.get(("StructureDefinition", name))
        if found is not None or ":" in name:
            return found or name
        return HL7 + name if name in basetypes.facts(self.fhir_release).types else None

    def value_set_url(self, name: str) -> str | None:
        """The canonical URL of a value set by the name of its table; a URL is itself."""
        return self._names.get(("ValueSet", name)) or (name if ":" in name else None)

    @property
    def fhir_release(self) -> FhirVersion:
        """The FHIR release that the tables are for."""
        return FhirVersion.of(self.fhir[0])

    @property
    def _names(self) -> dict[tuple[str, str], str]:
        return _names(self)

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.folder))


@cache
def _names(package: Tables) -> dict[tuple[str, str], str]:
    return {(entry.type, entry.id): entry.url for entry in package.entries()}


def open_tables(folder: Path) -> Tables:
    """The tables in a folder; TableError when a file does not begin with its canonical URL or one stands twice.

    The version is a digest of all files, so that a kept verdict is never taken for one of other tables.
    """
    about = read((folder / ABOUT).read_text(encoding="utf-8"), ABOUT)
    digest = hashlib.sha256()
    rows: list[Entry] = []
    seen: dict[tuple[str, str], str] = {}
    for path in sorted(folder.rglob("*.yaml")):
        file = path.relative_to(folder).as_posix()
        content = path.read_bytes()
        digest.update(file.encode() + b"\0" + content + b"\0")
        if file == ABOUT:
            continue
        key, _, url = content.partition(b"\n")[0].decode("utf-8", "replace").partition(": ")
        kind = KINDS.get(key)
        if kind is None or ":" not in url:
            raise TableError(
                file, "line 1", "a table begins with 'structure: URL', 'valueset: URL' or 'codesystem: URL'"
            )
        for mark in ((kind, url.strip()), (kind, "name " + path.stem)):
            if mark in seen:
                raise TableError(file, "", f"stands for the same as {seen[mark]}")
            seen[mark] = file
        rows.append(Entry(kind, path.stem, url.strip(), str(about["name"]), file))
    version = digest.hexdigest()[:12]
    return Tables(str(about["name"]), version, (str(about["fhir"]),), {}, folder, str(about.get("title", "")), rows)


@cache
def tables(release: str = "2017") -> Tables:
    """Our tables of a release of the zibs; LookupError when there are none."""
    if release not in RELEASES.values():
        raise LookupError(f"there are no tables of release {release}")
    return open_tables(ROOT / release)


@cache
def labels(version: FhirVersion, url: str) -> Mapping[str, str]:
    """The Dutch names of the elements of a profile, for people, by path; empty for a profile without a table."""
    if version not in RELEASES:
        return {}
    found = {}
    for element, zib in tables(RELEASES[version]).names(url).items():
        dutch = zib.split(BAR)[1] if BAR in zib else ""
        if dutch and ":" not in element:
            found[element] = re.sub(r"(?<=[a-zë])(?=[A-Z])", " ", dutch).capitalize()
    return found


@cache
def code_names() -> Mapping[tuple[str, str], str]:
    """The names of codes by system and code, of all releases: of codes for which all our value sets have one name."""
    names_of: dict[tuple[str, str], set[str]] = {}
    for release in RELEASES.values():
        held = tables(release)
        for entry in held.entries():
            if entry.type != "ValueSet":
                continue
            for include in held.read(entry)["compose"]["include"]:
                for concept in include.get("concept", ()):
                    if concept.get("display"):
                        names_of.setdefault((str(include["system"]), str(concept["code"])), set()).add(
                            concept["display"]
                        )
    return {key: min(names) for key, names in names_of.items() if len({name.casefold() for name in names}) == 1}


def sources(version: FhirVersion, packages: Sequence[Package] = ()) -> list[Package]:
    """Where the definitions for a FHIR release come from: the packages, with our zib names, and below them our tables.

    For a release that we have no tables of: the packages as they are.
    """
    release = RELEASES.get(version)
    if release is None:
        return list(packages)
    ours = tables(release)
    return [*(named(package, ours.names) for package in packages), ours]


def definitions(release: str = "2017", packages: Sequence[Package] = ()) -> Definitions:
    """Definitions from our tables; for a canonical URL that one of the packages holds, that package wins.

    Zib elements are called by our names in either case. LookupError for a release that we have no tables of.
    """
    return Definitions(sources(tables(release).fhir_release, packages))


def validator(
    version: FhirVersion, packages: Sequence[Path | str] | None = None, server: Server | None = None
) -> evaluate.Validator:
    """A validator as `profiles.validation.validator` gives, with our tables for what the packages do not hold.

    ``packages`` as there; PackageError when one is not there.
    """
    official = evaluate.validator(version, packages, server)
    return evaluate.Validator(version, Definitions(sources(version, official.definitions.packages)), server)
