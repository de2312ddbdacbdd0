"""Merged definitions that are kept on disk: the next process answers the same, and merges nothing."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from unit.profiles.validation.small_definitions import TEST, element, observation, profile, rules
from unit.profiles.validation.test_validation_sources import package

from gateway.quality.verdicts import keep_definitions, shared_validator
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.keptrows import KeptTrees, rows_of
from profiles.validation.schema.merge import Merger
from profiles.validation.schema.package import Package, open_package

CODED = profile("coded", "Observation", element("Observation.code.text", min=1), element("Observation.issued", min=1))
CLOSER = profile("closer", "Observation", element("Observation.status", fixedCode="final"), base=TEST + "coded")
LOOSER = profile("coded", "Observation", element("Observation.code.text", min=1))
PROFILES = [TEST + "closer"]


def process(packages: list[Package], folder: Path) -> Validator:
    """A validator as another process has it: of the same packages, with nothing in memory."""
    again = [open_package(one.folder) for one in packages]
    return Validator(FhirVersion.R4, Definitions(again), kept=folder / ".compiled")


def verdict(validator: Validator, **parts: Any) -> list[tuple[str, str]]:
    return rules(validator.validate(observation(**parts), PROFILES))


def merged(validator: Validator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a validator merges from now on."""
    urls: list[str] = []
    build = Merger._build

    def noting(self: Merger, canonical: str) -> Any:
        urls.append(canonical)
        return build(self, canonical)

    monkeypatch.setattr(Merger, "_build", noting)
    return urls


def test_the_next_process_answers_the_same_and_merges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = [package(tmp_path, "a.coded", CODED, CLOSER)]
    first = process(packages, tmp_path)
    before = verdict(first, status="preliminary")
    assert before
    assert first.keep()
    assert len(list((tmp_path / ".compiled").iterdir())) == 1
    second = process(packages, tmp_path)
    urls = merged(second, monkeypatch)
    assert verdict(second, status="preliminary") == before
    assert urls == []
    assert not second.keep()


def test_the_file_is_for_its_owner_alone_and_no_other_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = [package(tmp_path, "a.coded", CODED, CLOSER)]
    first = process(packages, tmp_path)
    before = verdict(first)
    first.keep()
    (file,) = (tmp_path / ".compiled").iterdir()
    assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    file.chmod(0o666)
    second = process(packages, tmp_path)
    urls = merged(second, monkeypatch)
    assert verdict(second) == before
    assert TEST + "closer" in urls
    assert second.keep()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 200, "cut", "changed", "link"])
def test_a_damaged_file_is_as_good_as_absent_and_is_written_again(tmp_path: Path, damage: bytes | str) -> None:
    packages = [package(tmp_path, "a.coded", CODED, CLOSER)]
    first = process(packages, tmp_path)
    before = verdict(first)
    first.keep()
    (file,) = (tmp_path / ".compiled").iterdir()
    good = file.read_bytes()
    if damage == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    elif damage == "changed":
        file.write_bytes(good.replace(b'"fixed":["final"]', b'"fixed":["other"]'))
        assert file.read_bytes() != good
    else:
        file.write_bytes(
            good[: len(good) // 2] if damage == "cut" else bytes(damage, "ascii") if isinstance(damage, str) else damage
        )
    second = process(packages, tmp_path)
    assert verdict(second) == before
    assert second.keep()
    assert not file.is_symlink()
    assert file.read_bytes()[:64] != b""
    assert verdict(process(packages, tmp_path)) == before


def test_a_file_of_another_set_does_not_pass_for_this_one(tmp_path: Path) -> None:
    packages = [package(tmp_path, "a.coded", CODED, CLOSER)]
    first = process(packages, tmp_path)
    before = verdict(first)
    first.keep()
    (file,) = (tmp_path / ".compiled").iterdir()
    more = process([*packages, package(tmp_path, "b.more", LOOSER)], tmp_path)
    verdict(more)
    more.keep()
    (other,) = set((tmp_path / ".compiled").iterdir()) - {file}
    other.replace(file)
    second = process(packages, tmp_path)
    assert verdict(second) == before
    assert second.keep()


def test_a_package_that_was_replaced_counts_at_once(tmp_path: Path) -> None:
    """Same name, same version, same file, same length: what it says decides."""
    packages = [package(tmp_path, "a.coded", CODED, CLOSER)]
    first = process(packages, tmp_path)
    before = verdict(first)
    first.keep()
    (tmp_path / "a.coded").rename(tmp_path / "gone")
    packages = [package(tmp_path, "a.coded", LOOSER, CLOSER)]
    second = process(packages, tmp_path)
    after = verdict(second)
    assert ("cardinality", "Observation.issued") in before
    assert ("cardinality", "Observation.issued") not in after
    assert second.keep()
    assert verdict(process(packages, tmp_path)) == after


def test_a_package_replaced_while_a_process_ran_is_not_kept_under_its_new_content(tmp_path: Path) -> None:
    packages = [package(tmp_path, "a.coded", CODED, CLOSER)]
    first = process(packages, tmp_path)
    verdict(first)
    (tmp_path / "a.coded").rename(tmp_path / "gone")
    package(tmp_path, "a.coded", LOOSER, CLOSER)
    assert not first.keep()


def test_a_version_that_takes_another_definition_is_settled_as_without_a_file(tmp_path: Path) -> None:
    """A canonical with a version takes that version when it is read first; nothing kept goes before it."""
    old, new = {**CODED, "version": "1.0.0"}, {**LOOSER, "version": "2.0.0"}
    packages = [package(tmp_path, "a.new", new, CLOSER), package(tmp_path, "b.old", old)]
    first = process(packages, tmp_path)
    assert ("cardinality", "Observation.issued") not in verdict(first)
    first.keep()
    asked = observation(meta={"profile": [TEST + "coded|1.0.0"]})
    alone = Validator(FhirVersion.R4, Definitions(packages))
    second = process(packages, tmp_path)
    assert second.validate(asked, PROFILES) == alone.validate(asked, PROFILES)
    assert not second.keep()


def test_nothing_is_kept_where_nothing_may_be_written(tmp_path: Path) -> None:
    """Nor is a folder made for packages that are not there, nor anything kept of definitions beside the packages."""
    packages = [package(tmp_path, "a.coded", CODED, CLOSER)]
    nowhere = process(packages, tmp_path / "absent")
    assert verdict(nowhere)
    assert not nowhere.keep()
    assert not (tmp_path / "absent").exists()
    (tmp_path / ".compiled").write_text("a file where the folder would be")
    blocked = process(packages, tmp_path)
    assert verdict(blocked)
    assert not blocked.keep()
    beside = Validator(FhirVersion.R4, Definitions(packages, extra=[LOOSER]), kept=tmp_path / "other")
    assert verdict(beside)
    assert not beside.keep()


def test_two_processes_may_keep_at_once_and_old_sets_go(tmp_path: Path) -> None:
    packages = [package(tmp_path, "a.coded", CODED, CLOSER)]
    one, other = process(packages, tmp_path), process(packages, tmp_path)
    before = verdict(one)
    other.knows(TEST + "coded")
    assert one.keep()
    assert other.keep()
    assert verdict(process(packages, tmp_path)) == before
    (broken_off := tmp_path / ".compiled" / ".new-x").touch()
    os.utime(broken_off, (0, 0))
    for number in range(9):
        more = process([*packages, package(tmp_path, f"more{number}", LOOSER)], tmp_path)
        verdict(more)
        assert more.keep()
    assert len(list((tmp_path / ".compiled").iterdir())) == 8


def test_values_that_a_profile_fixes_keep_their_digits() -> None:
    quantity = {"value": Decimal("1.50"), "unit": "g", "extension": [{"valueDecimal": Decimal("0.10")}]}
    fixed = profile("fixed", "Observation", element("Observation.value[x]", patternQuantity=quantity))
    tree = Merger(Definitions(extra=[fixed]), Validator(FhirVersion.R4).merger._base).tree(TEST + "fixed")
    again = KeptTrees(rows_of({tree.url: tree})).tree(TEST + "fixed")
    assert again is not None
    assert again.root.children is not None
    pattern = again.root.children["value[x]"].pattern
    assert pattern == quantity
    assert str(pattern["value"]) == "1.50"


def test_a_service_keeps_what_it_merged_when_it_stops(tmp_path: Path) -> None:
    """So that the first verdict after the next start need not wait for it."""
    package(tmp_path, "a.coded", CODED, CLOSER)
    (tmp_path / "a.coded").rename(tmp_path / "a.coded#1.0.0")
    serving = shared_validator(FhirVersion.R4, str(tmp_path))
    assert verdict(serving)
    keep_definitions()
    assert [file.name[:3] for file in (tmp_path / ".compiled").iterdir()] == ["r4-"]


def test_who_only_validates_waits_for_no_store_and_no_server() -> None:
    """A start costs what is loaded."""
    heavy = ("sqlalchemy", "uvicorn", "starlette", "gateway.collect")
    code = f"import sys, gateway.cli.validate; print(*(set({heavy!r}) & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.split() == []
