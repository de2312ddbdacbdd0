"""The report of a month for MedMij: made, corrected, released and delivered, as whoever answers for it does it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from databases import KINDS, database
from world.usage_house import UsageHouse
from world.usage_year import PROVIDER

from gateway.report.monthly import overdue
from gateway.report.xmlform import XmlRefused, as_xml
from gateway.usage.keys import destroy

SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:report"
elementFormDefault="qualified">
<xs:element name="Report"><xs:complexType><xs:sequence>
<xs:element name="Who" type="xs:string"/><xs:element name="From" type="xs:dateTime"/>
<xs:element name="Persons"><xs:complexType><xs:sequence><xs:element name="Number" type="xs:nonNegativeInteger"/>
</xs:sequence></xs:complexType></xs:element>
<xs:element name="Service" maxOccurs="unbounded"><xs:complexType><xs:sequence><xs:element name="Id" type="xs:string"/>
<xs:element name="Good" type="xs:integer"/></xs:sequence></xs:complexType></xs:element>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""
MAPPING = """root = "Report"
namespace = "urn:report"
[[element]]
path = "Who"
figure = "participant"
[[element]]
path = "From"
figure = "from"
[[element]]
path = "Persons.Number"
figure = "persons"
[[element]]
path = "Service"
each = "services"
parts = [{ name = "Id", figure = "service" }, { name = "Good", figure = "collected" }]
"""


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UsageHouse]:
    with database(request.param, tmp_path) as url:
        made = UsageHouse(url, tmp_path)
        yield made
        made.engine.dispose()


def test_a_month_without_use_is_reported_with_zeros(house: UsageHouse) -> None:
    """RP-C14, RP-C16, RP-10, RP-12, RP-21."""
    done = house.month("make", "2026-02", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["form"], told["persons"]) == ("own form, not in MedMij form", 0)
    assert told["from"] == "2026-02-01T00:00:00+01:00"
    assert told["until"] == "2026-03-01T00:00:00+01:00"
    assert told["services"]
    assert all(number == 0 for line in told["services"] for name, number in line.items() if name != "service")


def test_a_late_event_after_release_makes_a_version_with_the_difference(house: UsageHouse) -> None:
    """RP-C17, RP-04: what was released stays as it was; RP-C28: counted again it is the same."""
    house.visit(datetime(2026, 3, 5, 10, tzinfo=UTC))
    assert house.month("make").exit_code == 0
    assert house.month("release").exit_code == 0
    assert house.month("release").exit_code == 2, "nobody releases twice"
    first = house.month("show").stdout
    assert "version 1" in house.month("make").stdout, "nothing differs, so nothing is made"
    house.visit(datetime(2026, 3, 6, 10, tzinfo=UTC))
    told = json.loads(house.month("make", "2026-03", "--json").stdout)
    assert told["version"] == 2
    assert {"figure": "48.collected", "was": 1, "is": 2} in told["changed"]
    assert {"figure": "completed", "was": 1, "is": 2} in told["changed"]
    assert told["persons"] == 1, "the same person"
    assert house.month("show", "2026-03", "--version", "1").stdout == first
    assert house.run("audit", "verify").exit_code == 0


def test_nothing_goes_that_nobody_released_and_of_what_went_there_is_proof(house: UsageHouse) -> None:
    """RP-11."""
    house.month("make")
    file = house.folder / "report.json"
    assert house.month("deliver", "2026-03", "--to", str(file)).exit_code == 2
    assert not file.exists()
    house.month("release")
    told = json.loads(house.month("deliver", "2026-03", "--to", str(file), "--json").stdout)
    assert told["proof"].startswith("report.json sha256:")
    assert json.loads(file.read_text())["participant"] == PROVIDER
    assert "48.collected;0" in house.month("show", "2026-03", "--form", "csv").stdout


def test_a_report_that_does_not_meet_the_schema_is_not_released(house: UsageHouse) -> None:
    """RP-C15, RP-20, RP-22: the schema and its mapping are the institution's."""
    schema, mapping = house.folder / "report.xsd", house.folder / "report.toml"
    schema.write_text(SCHEMA.replace("xs:nonNegativeInteger", "xs:date"))
    mapping.write_text(MAPPING)
    with house.config.open("a") as config:
        config.write(f'[reports]\nmedmij_schema = "{schema}"\nmedmij_mapping = "{mapping}"\n')
    house.month("make")
    refused = house.month("release")
    assert refused.exit_code == 1
    assert "not released" in refused.output
    schema.write_text(SCHEMA)
    assert house.month("release").exit_code == 0
    shown = house.month("show", "2026-03", "--form", "xml").stdout
    assert "<Good>0</Good>" in shown
    assert "2026-03-01T00:00:00+01:00" in shown


def test_a_mapping_that_names_no_figure_is_refused(tmp_path: Path) -> None:
    """RP-20."""
    schema, mapping = tmp_path / "s.xsd", tmp_path / "m.toml"
    schema.write_text(SCHEMA)
    mapping.write_text(MAPPING.replace('"persons"', '"people"'))
    with pytest.raises(XmlRefused, match="people"):
        as_xml({"participant": "z", "from": "x", "services": []}, schema, mapping)


def test_a_deadline_that_comes_near_without_a_release_is_told(house: UsageHouse) -> None:
    """RP-C30: three days before it, and until somebody releases."""
    with house.engine.connect() as connection:
        assert overdue(connection, PROVIDER, datetime(2026, 4, 6, 12, tzinfo=UTC), 10) is None
        assert overdue(connection, PROVIDER, datetime(2026, 4, 7, 12, tzinfo=UTC), 10) == "2026-03"
    house.month("make")
    house.month("release")
    with house.engine.connect() as connection:
        assert overdue(connection, PROVIDER, datetime(2026, 4, 9, 12, tzinfo=UTC), 10) is None


def test_the_figures_of_visits_say_what_they_count(house: UsageHouse) -> None:
    """RP-33: every section has its definition, population and period; RP-C25: no number of a person in it."""
    house.visit(datetime(2026, 3, 5, 10, tzinfo=UTC))
    done = house.run("report", "visits", "--from", "2026-03-01", "--to", "2026-03-31", "--json")
    assert done.exit_code == 0, done.output
    sections = json.loads(done.stdout)["sections"]
    assert all(section["definition"] and section["population"] and section["period"] for section in sections)
    assert "123456789" not in done.stdout
    funnel = next(section for section in sections if section["key"] == "funnel")
    assert [row["passed"]["part"] for row in funnel["rows"]] == [1] * 6


def test_small_numbers_do_not_leave_the_institution(house: UsageHouse) -> None:
    """RP-C26."""
    house.visit(datetime(2026, 3, 5, 10, tzinfo=UTC))
    done = house.run("report", "visits", "--from", "2026-03-01", "--to", "2026-03-31", "--outside", "--json")
    sections = {section["key"]: section["rows"] for section in json.loads(done.stdout)["sections"]}
    assert [row["passed"] for row in sections["funnel"]] == ["<5"] * 6
    assert sections["summary"][0]["count"] == "<5"


def test_a_year_whose_key_is_destroyed_cannot_be_joined_any_more(house: UsageHouse) -> None:
    """RP-01: what comes late is counted, without a person."""
    house.visit(datetime(2026, 3, 5, 10, tzinfo=UTC))
    with house.engine.begin() as connection:
        assert destroy(connection, 2026) == 1
    house.visit(datetime(2026, 3, 6, 10, tzinfo=UTC))
    told = json.loads(house.month("make", "2026-03", "--json").stdout)
    assert (told["persons"], told["completed"]) == (1, 2)
