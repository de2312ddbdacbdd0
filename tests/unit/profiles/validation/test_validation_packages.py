"""Definition packages: read safely, kept in the cache, chosen by version."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from profiles.fhir.version import FhirVersion
from profiles.validation import validator
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.packages import (
    PackageError,
    check_dependencies,
    choose,
    install,
    installed,
    open_package,
    satisfies,
    version_key,
)


def archive(
    name: str = "test.one",
    version: str = "1.0.0",
    files: dict[str, Any] | None = None,
    fhir: str = "4.0.1",
    dependencies: dict[str, str] | None = None,
) -> bytes:
    """A package archive in memory."""
    manifest = {"name": name, "version": version, "fhirVersions": [fhir], "dependencies": dependencies or {}}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for path, content in {"package/package.json": manifest, **(files or {})}.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


STRUCTURE = {
    "resourceType": "StructureDefinition",
    "id": "p",
    "url": "http://example.org/p",
    "version": "2",
    "type": "Patient",
    "derivation": "constraint",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]},
}


def test_a_package_goes_into_the_cache_and_is_found_there(tmp_path: Path) -> None:
    package = install(archive(files={"package/StructureDefinition-p.json": STRUCTURE}), tmp_path)
    assert package.folder == tmp_path / "test.one#1.0.0" / "package"
    assert [one.label for one in installed(tmp_path)] == ["test.one@1.0.0"]
    assert Definitions([package]).structure("http://example.org/p|2") == STRUCTURE
    again = install(archive(), tmp_path)
    assert again.entries() == []
    assert len(list(tmp_path.iterdir())) == 1


def test_a_validator_reads_folders_archives_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PACKAGE_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "one.tgz"
    file.write_bytes(archive(files={"package/StructureDefinition-p.json": STRUCTURE}))
    patient = {"resourceType": "Patient", "active": True, "meta": {"profile": ["http://example.org/p"]}}
    assert validator(FhirVersion.R4, []).validate(patient).verdict == "unchecked"
    assert validator(FhirVersion.R4, [file]).validate(patient).verdict == "wrong"
    assert not (tmp_path / "cache").exists()
    install(file.read_bytes(), tmp_path / "cache")
    assert validator(FhirVersion.R4, ["test.one"]).validate(patient).verdict == "wrong"
    assert validator(FhirVersion.R4, [tmp_path / "cache" / "test.one#1.0.0"]).validate(patient).verdict == "wrong"
    assert validator(FhirVersion.R4).validate(patient).verdict == "wrong"
    with pytest.raises(PackageError, match=r"test\.two"):
        validator(FhirVersion.R4, ["test.two"])


@pytest.mark.parametrize(
    "path", ["package/../../evil.json", "/etc/evil.json", "package/deep/evil.json", "other/evil.json"]
)
def test_nothing_is_written_outside_the_package(tmp_path: Path, path: str) -> None:
    cache = tmp_path / "cache"
    install(archive(files={path: {}}), cache)
    assert {one.name for one in tmp_path.rglob("*.json")} == {"package.json"}


def test_links_are_not_followed(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        link = tarfile.TarInfo("package/package.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    with pytest.raises(PackageError):
        install(stream.getvalue(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a package",
        archive()[:60],
        archive(name="../evil"),
        archive(version="../1"),
        archive(files={"package/package.json": b"[]"}),
        archive(files={"package/package.json": b"{"}),
    ],
    ids=["empty", "text", "cut off", "evil name", "evil version", "manifest is a list", "manifest is broken"],
)
def test_what_is_no_package_is_refused_and_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(PackageError):
        install(data, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiles.validation.schema.packages.MAX_TOTAL", 1_000)
    with pytest.raises(PackageError, match="larger"):
        install(archive(files={"package/big.json": b" " * 5_000}), tmp_path)


def test_a_broken_file_is_passed_over(tmp_path: Path) -> None:
    files = {"package/a.json": b"{", "package/b.json": STRUCTURE, "package/.index.json": b"not json"}
    package = install(archive(files=files), tmp_path)
    assert [entry.url for entry in package.entries()] == ["http://example.org/p"]
    (package.folder / "b.json").write_bytes(b"[")
    assert package.read(package.entries()[0]) is None
    with pytest.raises(PackageError):
        open_package(tmp_path)


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("2.0.7", "2.0.x", True),
        ("2.1.0", "2.0.x", False),
        ("2.3.1", "^2.0", True),
        ("3.0.0", "^2.0", False),
        ("2.1.5", "~2.1.2", True),
        ("2.2.0", "~2.1.2", False),
        ("1.0.0", "latest", True),
        ("1.0.0", "1.0.0", True),
        ("1.0.0-beta.1", "1.0.0", False),
    ],
)
def test_versions_and_ranges(version: str, wanted: str, fits: bool) -> None:
    assert satisfies(version, wanted) is fits


def test_versions_have_an_order() -> None:
    ordered = ["0.9.0", "1.0.0-beta.2", "1.0.0-beta.10", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0"]
    assert sorted(ordered, key=version_key) == ordered


def test_dependencies_come_along_and_the_core_comes_last(tmp_path: Path) -> None:
    install(archive("hl7.fhir.r4.core", "4.0.1"), tmp_path)
    install(archive("a.base", "1.0.0"), tmp_path)
    install(archive("a.base", "1.1.0"), tmp_path)
    install(archive("z.top", "2.0.0", dependencies={"a.base": "1.0.x", "absent": "1"}), tmp_path)
    install(archive("old.release", "1.0.0", fhir="3.0.2"), tmp_path)
    present = installed(tmp_path)
    chosen = choose(present, FhirVersion.R4, ["z.top"])
    assert [one.label for one in chosen] == ["z.top@2.0.0", "a.base@1.0.0", "hl7.fhir.r4.core@4.0.1"]
    assert "a.base@1.1.0" in [one.label for one in choose(present, FhirVersion.R4)]
    missing = check_dependencies(next(one for one in present if one.name == "z.top"), present)
    assert [(one.needs, one.instead) for one in missing] == [("absent", None)]
    with pytest.raises(PackageError, match=r"z\.top@3"):
        choose(present, FhirVersion.R4, ["z.top@3.0.0"])
