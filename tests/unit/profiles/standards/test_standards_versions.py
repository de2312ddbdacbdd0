"""Two versions of a set side by side: what changes is told, and what is not settled stays off in production."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from auth.pages.catalogue import CATALOGUE as TEXTS
from gateway.cli.main import cli
from gateway.sections import ProviderSettings
from gateway.settings import Settings, refusals
from profiles.standards.changes import changes
from profiles.standards.load import DATA, catalogue, read_standard


def next_version(folder: Path) -> Path:
    """The granular STU3 set as a later version: another service, another code, another profile, a row gone."""
    made = folder / "medmij-core-stu3-next"
    shutil.copytree(DATA / "medmij-core-stu3", made)
    text = (made / "standard.toml").read_text().replace('id = "medmij-core-stu3"', 'id = "medmij-core-stu3-next"')
    text = text.replace('id = "9000004', 'id = "9000005').replace("rc.2", "2.0")
    text = text.replace('name = "Bloeddruk"', 'name = "Bloeddruk"\nvalid_from = 2027-01-01')
    (made / "standard.toml").write_text(text)
    rows = (made / "requests.toml").read_text().replace("{loinc}|8302-2", "{loinc}|8302-2,{loinc}|8308-9")
    (made / "requests.toml").write_text(rows)
    return made


def test_the_command_says_what_a_new_version_changes(tmp_path: Path) -> None:
    made = CliRunner().invoke(cli, ["standards", "diff", "medmij-core-stu3", str(next_version(tmp_path))])
    assert made.exit_code == 0, made.output
    assert "service 900000401 is not in the new version" in made.output
    assert "service 900000501 is new from 2027-01-01" in made.output
    assert "row bodyHeight asks GET Observation?code=http://loinc.org|8302-2,http://loinc.org|8308-9" in made.output


def test_the_command_alone_says_what_is_announced() -> None:
    made = CliRunner().invoke(cli, ["standards", "diff"])
    assert made.exit_code == 0, made.output
    assert "bgz-msz-1.2.2 -> bgz-msz-2" in made.output


@pytest.mark.parametrize("arguments", [["bgz-3"], ["bgz-3", "no-such-folder"]])
def test_a_version_that_is_not_there_is_told(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["standards", "diff", *arguments]).exit_code == 2


def test_old_and_new_are_offered_together_on_their_own_days(tmp_path: Path) -> None:
    known = catalogue(extra=[next_version(tmp_path)])
    old, new = known.services["900000401"][1], known.services["900000501"][1]
    assert old.valid_on(date(2026, 12, 31))
    assert not new.valid_on(date(2026, 12, 31))
    assert old.valid_on(date(2027, 1, 1))
    assert new.valid_on(date(2027, 1, 1))


def test_a_version_differs_in_nothing_from_itself() -> None:
    standard = read_standard(DATA / "dental-care-1")
    assert changes(standard, standard) == []


def test_drafts_are_marked_and_off_in_production() -> None:
    listed = CliRunner().invoke(cli, ["standards", "list", "--json"])
    assert listed.exit_code == 0
    drafts = {name for name, one in catalogue().standards.items() if one.draft}
    converting = {"bgz-2020", "ggz-2020", "pdfa-2020", "ips-2"}
    assert drafts == {"pathology-1", "image-availability-1", "provider-tasks-1", "portability-1"} | converting

    def refused(**more: bool) -> bool:
        provider = ProviderSettings(display_name="Lab", services=("9020", "900000101"), **more)
        return any("9020" in line for line in refusals(Settings(mode="production", providers={"lab": provider})))

    assert refused()
    assert not refused(drafts=True)


def test_every_group_has_a_name_in_both_languages() -> None:
    groups = {service.group for one in catalogue().standards.values() for service in one.services if service.group}
    for texts in TEXTS.values():
        assert groups <= texts["groups"].keys()
