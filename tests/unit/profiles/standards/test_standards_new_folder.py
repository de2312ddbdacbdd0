"""A new standard is a folder: the walk of docs/standards.md, done as it says (issue 4, point 6)."""

import re
from pathlib import Path

import pytest

from profiles.fhir.interactions import FhirRequest, route
from profiles.fhir.search.search import parse_query
from profiles.standards.admit import Admitted, Refused, admit
from profiles.standards.capability import statement
from profiles.standards.checks import check
from profiles.standards.load import Catalogue, StandardError, catalogue

PAGE = Path(__file__).parents[4] / "docs" / "standards.md"


def blocks() -> tuple[str, str, str]:
    """The three files that the page writes."""
    toml = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    markdown = re.findall(r"```markdown\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert (len(toml), len(markdown)) == (2, 1)
    return toml[0], toml[1], markdown[0]


@pytest.fixture
def with_dental_care(tmp_path: Path) -> Catalogue:
    folder = tmp_path / "mondzorg-1"
    folder.mkdir()
    for name, text in zip(("standard.toml", "requests.toml", "divergences.md"), blocks(), strict=True):
        (folder / name).write_text(text, encoding="utf-8")
    return catalogue(extra=[folder])


def ask(known: Catalogue, url: str) -> Admitted:
    standard, service = known.service("9900")
    path, _, query = url.partition("?")
    way = route("GET", path)
    request = FhirRequest(standard.fhir, way.interaction, way.type, way.id, way.operation, tuple(parse_query(query)))
    return admit(standard, request, service)


def test_the_folder_of_the_page_loads_and_is_consistent(with_dental_care: Catalogue) -> None:
    assert check(with_dental_care) == []
    standard, service = with_dental_care.service("9900")
    assert (standard.id, service.name, len(standard.rules)) == ("mondzorg-1", "Mondzorg", 5)
    assert "mondzorg-1" not in catalogue().standards


def test_its_requests_are_answered_and_others_refused(with_dental_care: Catalogue) -> None:
    sct = "http://snomed.info/sct"
    gums = ask(with_dental_care, f"Observation/$lastn?code={sct}|251317004")
    assert (gums.rule.id, gums.search is not None and gums.search.last) == ("gumStatus", 1)
    procedure = f"Procedure?category={sct}|108290001&_include=Procedure:performer&date=ge2026-01-01"
    assert ask(with_dental_care, procedure).rule.id == "dentalProcedure"
    assert ask(with_dental_care, "Practitioner/1").rule.profiles[0].endswith("nl-core-practitioner")
    for url, status in (("Observation", 404), ("Procedure", 400), ("Flag", 404), ("Condition?category=x", 400)):
        with pytest.raises(Refused) as refused:
            ask(with_dental_care, url)
        assert refused.value.status == status


def test_its_capability_statement_offers_it(with_dental_care: Catalogue) -> None:
    found = statement(*with_dental_care.service("9900"), "https://gateway.example/fhir", "1", "2026-01-05")
    types = {one["type"] for one in found["rest"][0]["resource"]}
    assert types >= {"Patient", "Condition", "Procedure", "Observation", "Appointment", "Practitioner"}


def test_the_mistakes_that_the_page_shows_are_told_like_that(tmp_path: Path) -> None:
    folder = tmp_path / "mondzorg-1"
    folder.mkdir()
    standard, requests, divergences = blocks()
    (folder / "standard.toml").write_text(standard, encoding="utf-8")
    (folder / "divergences.md").write_text(divergences, encoding="utf-8")
    (folder / "requests.toml").write_text(requests.replace("category={sct}|278544002", "category={snomed}|278544002"))
    page = PAGE.read_text(encoding="utf-8")
    with pytest.raises(StandardError) as wrong:
        catalogue(extra=[folder])
    assert str(wrong.value).replace(str(tmp_path), "...") in page
    second = tmp_path / "again" / "mondzorg-1"
    second.mkdir(parents=True)
    (second / "standard.toml").write_text(standard, encoding="utf-8")
    (second / "divergences.md").write_text(divergences, encoding="utf-8")
    rows = requests.replace(
        '"date=ge{date}", "date=le{date}"]\nprofiles = ["N:zib-Proc', '"surface={code}"]\nprofiles = ["N:zib-Proc'
    )
    (second / "requests.toml").write_text(rows, encoding="utf-8")
    assert [line for line in check(catalogue(extra=[second])) if line in page]
