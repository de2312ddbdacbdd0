"""The forms of a report: shares that do not flatter (R8), safe HTML and CSV, plots with their numbers."""

import io
import json
from html.parser import HTMLParser

from rich.console import Console

from gateway.audit.export import safe_cell
from gateway.report import svg
from gateway.report.document import Column, Plot, ReportDocument, ReportSection, Share
from gateway.report.render import as_html, as_json, to_console
from gateway.report.words import _rules, _texts, rule_text, words

EVIL = "<script>alert(1)</script>"


def document(name: str = "Longziekten") -> ReportDocument:
    section = ReportSection(
        "departments",
        "Per afdeling",
        [Column("department", "Afdeling"), Column("valid", "Zonder fout")],
        [[name, Share(1, 3)], ["Oogheelkunde", Share(2, 2)]],
        definition="wat",
        population="waarover",
        period="wanneer",
        plot=Plot("bars", "department", "valid", "Plaatje"),
    )
    return ReportDocument("quality", "Titel", "2026-03-31", "nl", ["Keuze"], [section], words("nl", "words"))


def test_a_share_is_never_rounded_to_all_or_none_and_shows_its_whole() -> None:
    assert Share(999, 1000).text("nl") == "99% (999 van 1000)"
    assert Share(1, 1000).text("en") == "1% (1 of 1000)"
    assert Share(0, 3).text("nl") == "0% (0 van 3)"
    assert Share(0, 0).text("nl") == "-"
    assert Share(0, 0).percent is None


def test_every_form_prints_definition_population_and_period_beside_the_figures() -> None:
    out = io.StringIO()
    to_console(document(), Console(file=out, width=100))
    for form in (out.getvalue(), as_html(document()), as_json(document())):
        for about in ("wat", "waarover", "wanneer"):
            assert about in form
    rows = json.loads(as_json(document()))["sections"][0]["rows"]
    assert rows[0] == {"department": "Longziekten", "valid": {"part": 1, "whole": 3, "percent": 33.3}}


def test_names_from_data_cannot_become_html_or_markup() -> None:
    page = as_html(document(EVIL))
    assert EVIL not in page
    assert "<script" not in page
    out = io.StringIO()
    to_console(document("[red]x[/red]"), Console(file=out, width=100))
    assert "[red]x[/red]" in out.getvalue()


def test_a_plot_has_a_name_and_a_table_beside_it() -> None:
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[str, dict[str, str | None]]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.append((tag, dict(attrs)))

    tags = Tags()
    tags.feed(as_html(document()))
    plots = [given for tag, given in tags.seen if tag == "svg"]
    assert plots
    assert all(given["role"] == "img" and given["aria-label"] for given in plots)
    assert len([tag for tag, _ in tags.seen if tag == "table"]) >= len(plots)
    assert not [given for tag, given in tags.seen if tag in ("script", "link", "img") or "src" in given]


def test_a_line_of_one_day_is_no_plot_and_many_bars_are_bounded() -> None:
    assert "polyline" in svg.line("t", [("a", 1, ""), ("b", 2, "")])
    assert svg.bars("t", [(EVIL, 50.0, EVIL)]).count("<script") == 0


def test_a_cell_is_never_a_formula() -> None:
    assert safe_cell("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert safe_cell("+31") == "'+31"
    assert safe_cell("Longziekten") == "Longziekten"


def test_both_languages_have_every_word() -> None:
    dutch, english = _texts()["nl"], _texts()["en"]
    assert {part: set(rows) for part, rows in dutch.items()} == {part: set(rows) for part, rows in english.items()}
    for rule, row in _rules().items():
        assert all((row.nl, row.en, row.do_nl, row.do_en)), rule
    assert rule_text("invariant:never-heard-of", "nl")[0] == _rules()["invariant"].nl
    assert rule_text("something new", "en")[0] == _rules()["other"].en
