"""The quality report in a browser: a page that stands on its own, on a desktop and on a phone (R9)."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.browsing import RULES, WIDTHS
from playwright.sync_api import Browser, Page

from gateway.report.document import Column, Plot, ReportDocument, ReportSection, Share
from gateway.report.render import as_html
from gateway.report.words import words
from workbench.qualify.report import write_reports
from workbench.qualify.results import ActionResult, ScriptResult, SetResult, Status, TestResult, Traffic

pytestmark = pytest.mark.browser

ABOUT = {"definition": "Wat", "population": "Waarover", "period": "Wanneer"}


def page_of(language: str) -> str:
    """A report with every kind of section: a line, bars, folded groups, long words, and nothing at all."""
    day, name, valid = Column("day", "Dag"), Column("element", "Element"), Column("valid", "Goed")
    zib, mac = Column("zib", "Zib"), Column("mac", "Laatste mac")
    days = [[f"2026-03-{number:02}", Share(number, 31)] for number in range(1, 32)]
    elements = [
        [group, f"ProbleemAnatomischeLocatie{number}", Share(number, 9)]
        for group in ("Probleem", "Bloeddruk")
        for number in range(9)
    ]
    sections = [
        ReportSection(
            "trend", "Verloop", [day, valid], days, **ABOUT, plot=Plot("line", "day", "valid", "Verloop per dag")
        ),
        ReportSection(
            "zibs", "Per zib", [day, valid], days, **ABOUT, plot=Plot("bars", "day", "valid", "Per zib, goed")
        ),
        ReportSection(
            "elements",
            "Per element",
            [zib, name, valid],
            elements,
            **ABOUT,
            fold="zib",
            plot=Plot("bars", "element", "valid", "Gevuld"),
        ),
        ReportSection("chains", "Keten", [mac], [["a1" * 32], ["b2" * 32]], **ABOUT),
        ReportSection("none", "Niets", [name], [], **ABOUT),
    ]
    return as_html(
        ReportDocument("quality", "Kwaliteit", "2026-03-31", language, ["Keuze"], sections, words(language, "words"))
    )


def faults(page: Page, file: Path) -> list[tuple[str, list[str]]]:
    """What axe finds on a page in a file; it must fit the window, and nothing may come from elsewhere."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response["violations"]
    assert asked == [file.as_uri()], "nothing comes from elsewhere"
    return [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_page_fits_and_nobody_is_left_out(browser: Browser, tmp_path: Path, width: int, language: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(page_of(language), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    assert faults(page, file) == []
    assert page.locator("details[open] table").first.is_visible()
    page.close()


def test_on_a_phone_every_figure_carries_its_name(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page_of("nl"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(file.as_uri())
    label = page.locator("#trend ~ .pair td").nth(1)
    assert label.evaluate("cell => getComputedStyle(cell, '::before').content") == '"Goed"'
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_of_a_qualification(browser: Browser, tmp_path: Path, width: int) -> None:
    """The index of a run and the page of a set: every verdict, long addresses, request and answer unfolded."""
    traffic = Traffic(f"GET https://host.example/fhir/Condition?{'x' * 200}", '{"resourceType": "Bundle"}' * 40, 0.2)
    actions = [
        ActionResult(
            status, "assert", "There are seven", "Bundle.total = 7", "the expression gives false", "why", traffic
        )
        for status in Status
    ]
    tests = [TestResult("Search", "A search with many words in it", actions)]
    script = ScriptResult("set-1-a", "A script", "What it is for", "XIS", "a/b.xml", tests, 1.5)
    sets = [SetResult(f"Set-{number}", f"Standard {number}", [script], ["left-out"]) for number in (1, 2)]
    for file in write_reports(tmp_path, sets, [("Server", "https://host.example/fhir")])[:2]:
        page = browser.new_page(viewport={"width": width, "height": 900})
        assert faults(page, file) == []
        page.close()
