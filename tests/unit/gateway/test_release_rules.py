"""Working days, delays per kind of result, and labels: what the rows say, before any request."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.port import Reason
from gateway.release.rules import DELAYABLE, ReleaseRules, rules, visible_from
from gateway.release.shield import Audience, Flag, Shield
from gateway.release.workingdays import after, between, easter, holidays, is_working_day
from profiles.fhir.search.keys import keys
from profiles.fhir.version import FhirVersion
from profiles.rows import RowError

LAB = {"coding": [{"system": "http://snomed.info/sct", "code": "49581000146104"}]}
FRIDAY = "2026-03-06T16:00:00+01:00"
ROWS = """
version = "test"
limit = 7
[[kind]]
id = "laboratory"
nl = "Laboratorium"
en = "Laboratory"
types = ["Observation"]
codes = ["http://snomed.info/sct|49581000146104"]
days = {days}
moment = ["issued"]
[[sensitive]]
id = "psychiatry"
nl = "Psychiatrie"
en = "Psychiatry"
codes = ["http://terminology.hl7.org/CodeSystem/v3-ActCode|PSY"]
types = ["Condition"]
policy = "withhold"
told = false
"""


def rows(tmp_path: Path, days: int = 5, more: str = "") -> ReleaseRules:
    path = tmp_path / "release.toml"
    path.write_text(ROWS.format(days=days) + more)
    rules.cache_clear()
    return rules(str(path))


def result(**change: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "o", "status": "final", "category": [LAB], "issued": FRIDAY} | change


def shield(table: ReleaseRules, now: str, flags: Any = (), audience: Audience = Audience.PERSON) -> Shield:
    return Shield(table, dict(flags), datetime.fromisoformat(now), audience)


@pytest.mark.parametrize(
    ("year", "day"), [(2024, "2024-03-31"), (2025, "2025-04-20"), (2026, "2026-04-05"), (2027, "2027-03-28")]
)
def test_easter(year: int, day: str) -> None:
    assert easter(year) == date.fromisoformat(day)


def test_the_holidays_of_a_year() -> None:
    """RP-32: computed, not kept in a list that ends; the King's birthday moves when it falls on a Sunday."""
    assert sorted(map(str, holidays(2026))) == [
        "2026-01-01", "2026-04-03", "2026-04-06", "2026-04-27", "2026-05-05",
        "2026-05-14", "2026-05-25", "2026-12-25", "2026-12-26",
    ]  # fmt: skip
    assert date(2025, 4, 26) in holidays(2025)
    assert date(2025, 4, 27) not in holidays(2025)
    assert not is_working_day(date(2026, 4, 5))


def test_counting_working_days() -> None:
    friday = date(2026, 3, 6)
    assert after(friday, 0) == friday
    assert after(friday, 1) == date(2026, 3, 9)
    assert after(friday, 7) == date(2026, 3, 17)
    assert after(date(2026, 4, 2), 1) == date(2026, 4, 7)  # over Good Friday and Easter
    assert between(friday, date(2026, 3, 8)) == 0
    for count in range(1, 12):
        assert between(friday, after(friday, count)) == count


def test_over_the_limit() -> None:
    """RP-C22: authorised on a Friday, visible on the eighth working day: over the limit of seven."""
    friday = date(2026, 3, 6)
    assert between(friday, after(friday, 8)) > 7
    assert between(friday, after(friday, 7)) == 7


def test_a_result_waits_and_is_shown(tmp_path: Path) -> None:
    """Five working days after a Friday is the next Friday, from midnight in the Netherlands."""
    table = rows(tmp_path)
    assert visible_from(table.kind[0], datetime.fromisoformat(FRIDAY)) == datetime(2026, 3, 12, 23, tzinfo=UTC)
    early = shield(table, "2026-03-12T22:59:59+00:00").judge("Observation", "o", result)
    assert early is not None
    assert (early.reason, early.until) == (Reason.DELAYED, date(2026, 3, 13))
    assert shield(table, "2026-03-12T23:00:00+00:00").judge("Observation", "o", result) is None
    # What is no result of the kind does not wait, and another institution does not wait either.
    assert shield(table, "2026-03-06T23:00:00+00:00").judge("Observation", "o", lambda: result(category=[])) is None
    treating = shield(table, "2026-03-06T23:00:00+00:00", audience=Audience.INSTITUTION)
    assert treating.judge("Observation", "o", result) is None


@pytest.mark.parametrize("change", [{"status": "preliminary"}, {"issued": None}, {"issued": "soon"}])
def test_nobody_vouches_for_it(tmp_path: Path, change: dict[str, Any]) -> None:
    """A kind that waits: what is not authorised, or does not say when, is not shown at all."""
    hidden = shield(rows(tmp_path), "2030-01-01T00:00:00+00:00").judge("Observation", "o", lambda: result(**change))
    assert hidden is not None
    assert hidden.until is None
    # Where nothing waits, nothing of this is looked at.
    at_once = shield(rows(tmp_path, days=0), "2026-03-06T23:00:00+00:00")
    assert at_once.judge("Observation", "o", lambda: result(**change)) is None


def test_a_person_decides_about_one_item(tmp_path: Path) -> None:
    """Released early, it does not wait; withheld, it is for nobody, whatever the rows say."""
    table, now = rows(tmp_path), "2026-03-07T00:00:00+00:00"
    early = shield(table, now, {("Observation", "o"): (Flag.RELEASED, True)}.items())
    assert early.judge("Observation", "o", result) is None
    held = shield(table, "2030-01-01T00:00:00+00:00", {("Observation", "o"): (Flag.WITHHELD, False)}.items(),
                  Audience.INSTITUTION).judge("Observation", "o", result)  # fmt: skip
    assert held is not None
    assert (held.reason, held.rule, held.told) == (Reason.WITHHELD, "item", False)
    # A label is not lifted by an early release of the same item.
    told = Shield(rules(), {("Condition", "c"): (Flag.RELEASED, True)}, datetime.now(UTC))
    very = {"resourceType": "Condition", "id": "c", "meta": {"security": [
        {"system": "http://hl7.org/fhir/v3/Confidentiality", "code": "V"}]}}  # fmt: skip
    assert told.judge("Condition", "c", lambda: very) is not None


def test_a_label_by_type(tmp_path: Path) -> None:
    """The policy is a row per zib: the same label withholds a Condition, and leaves an Observation alone."""
    table = rows(tmp_path)
    meta = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]}
    now = shield(table, "2026-03-06T23:00:00+00:00", audience=Audience.INSTITUTION)
    hidden = now.judge("Condition", "c", lambda: {"resourceType": "Condition", "meta": meta})
    assert hidden is not None
    assert (hidden.rule, hidden.told) == ("psychiatry", False)
    assert now.judge("Observation", "c", lambda: {"resourceType": "Observation", "meta": meta}) is None


def test_a_row_holds_for_its_days(tmp_path: Path) -> None:
    """A change of policy is a new row: a result is judged by the wording of the day on which it was authorised."""
    old = ROWS.format(days=5).partition("[[sensitive]]")[0].replace("days = 5", "days = 5\nvalid_until = 2026-03-31")
    new = ROWS.format(days=1).partition("[[kind]]")[2].partition("[[sensitive]]")[0]
    path = tmp_path / "two.toml"
    path.write_text(f"{old}[[kind]]{new}valid_from = 2026-04-01\n")
    rules.cache_clear()
    table = rules(str(path))
    assert [one.days for one in table.kind] == [5, 1]
    march, april = table.kind_of(result()), table.kind_of(result(issued="2026-04-01T09:00:00+02:00"))
    assert march is not None
    assert april is not None
    assert (march[0].days, april[0].days) == (5, 1)


@pytest.mark.parametrize("change", [
    ("days = 5", "days = 8"), ('types = ["Observation"]', 'types = ["Condition"]'),
    ('moment = ["issued"]', 'moment = ["effectiveDateTime"]'), ("|4958", "4958"), ("limit", "most"),
    ('types = ["Condition"]', 'types = ["Patient"]'),
])  # fmt: skip
def test_rows_that_cannot_be(tmp_path: Path, change: tuple[str, str]) -> None:
    """More than the norm, a type whose keys do not say it, nobody's code: told with the file and the place."""
    path = tmp_path / "wrong.toml"
    path.write_text(ROWS.format(days=5).replace(*change))
    rules.cache_clear()
    with pytest.raises(RowError, match=r"wrong\.toml"):
        rules(str(path))


@pytest.mark.parametrize("version", list(FhirVersion))
@pytest.mark.parametrize("type_", sorted(DELAYABLE))
def test_keys_decide_as_the_resource_does(version: FhirVersion, type_: str) -> None:
    """What the rows look at stands in the search keys, so that no read has to open a resource to judge it."""
    whole = {
        "resourceType": type_, "id": "x", "status": "final", "category": [LAB], "code": LAB, "type": LAB, "class": LAB,
        "issued": FRIDAY, "indexed": FRIDAY, "created": FRIDAY, "date": FRIDAY,
        "meta": {"lastUpdated": FRIDAY, "security": [{"system": "s", "code": "V"}]},
    }  # fmt: skip
    cut = keys(version, whole)
    expected = {"Observation": {"category", "code", "issued"}, "DiagnosticReport": {"category", "code", "issued"},
                "DocumentReference": {"type", "class", "indexed", "created", "date", "category"},
                "Composition": {"type", "class", "category", "date"}}[type_]  # fmt: skip
    assert expected | {"status"} <= cut.keys()
    assert cut["meta"]["security"] == [{"system": "s", "code": "V"}]
    assert cut["meta"]["lastUpdated"] == FRIDAY
