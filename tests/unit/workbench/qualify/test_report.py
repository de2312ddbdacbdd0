"""Reports: what a person reads, what a program reads, what a build server reads."""

import asyncio
import json
from html.parser import HTMLParser

import pytest
from lxml import etree
from unit.workbench.qualify.scripts import assertion, document, operation, play
from unit.workbench.qualify.xis import Xis

from profiles.fhir.version import FhirVersion
from workbench.qualify.report import html_page, junit, write_reports
from workbench.qualify.results import ActionResult, ScriptResult, SetResult, Status, TestResult, worst

PATIENT = {"resourceType": "Patient", "id": "rich", "name": [{"family": "<script>alert(1)</script>"}]}


@pytest.fixture(scope="module")
def results():
    """A set with a passing, a failing, a warning and an unevaluated script."""
    server = Xis(FhirVersion.STU3, [PATIENT], {"rich-token-0001": "rich"})
    search = operation(resource="Patient")
    checks = [
        {"responseCode": "200"},
        {"expression": "Bundle.total = 7", "description": "There are seven & more"},
        {"responseCode": "201", "warningOnly": "true"},
        {"path": "fhir:Bundle"},
    ]
    scripts = [asyncio.run(play(server, document(search, assertion(**check)))) for check in checks]
    return [SetResult("Set-1", "A set 1.0", scripts, ["XIS-Server-NoManifest"])]


class Page(HTMLParser):
    """Collects what the tests ask of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.targets, self.links, self.text = [], set(), [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        if "id" in attributes:
            assert attributes["id"] not in self.ids, "an id stands once on a page"
            self.ids.add(attributes["id"])
        self.targets += [value[1:] for name, value in attrs if name == "href" and value.startswith("#")]
        self.links += [value for name, value in attrs if name in ("src", "href") and not value.startswith("#")]

    def handle_data(self, data):
        self.text += data


def test_the_page_shows_requirement_result_and_evidence(results):
    text = html_page(results[0], [("Server", "https://host/fhir")])
    page = Page(text)
    assert "A set 1.0" in page.text
    assert "There are seven & more" in page.text
    assert "Bundle.total = 7" in page.text
    assert "the expression gives false" in page.text
    assert "GET https://xis.example/fhir/Patient" in page.text
    assert "XIS-Server-NoManifest" in page.text
    for status in ("passed", "failed", "warning", "not evaluated"):
        assert status in page.text


def test_the_page_is_self_contained_accessible_and_safe(results):
    text = html_page(results[0])
    page = Page(text)
    assert page.links == []
    assert "script" not in page.tags, "no JavaScript, and none from a server's answer"
    assert 'lang="en"' in text
    assert "@media print" in text
    assert page.tags.count("h1") == 1
    assert {"main", "header", "caption", "th"} <= set(page.tags)
    assert set(page.targets) <= page.ids, "every link on the page leads somewhere"
    assert "rich-token-0001" not in text


def test_json_holds_everything(results, tmp_path):
    written = write_reports(tmp_path / "report", results, [("Server", "https://host/fhir")])
    assert [path.name for path in written] == ["Set-1.html", "results.json", "junit.xml"]
    report = json.loads(written[1].read_text())
    assert report["status"] == "failed"
    (one,) = report["sets"]
    assert one["counts"] == {"passed": 1, "warning": 1, "skipped": 0, "not evaluated": 1, "failed": 1}
    action = one["scripts"][1]["tests"][0]["actions"][1]
    assert action["status"] == "failed"
    assert action["reason"] == "the expression gives false"


def test_several_sets_get_an_index(results, tmp_path):
    other = SetResult("Set-2", "Other", [])
    written = write_reports(tmp_path, [*results, other], [])
    assert written[0].name == "index.html"
    assert {"Set-1.html", "Set-2.html"} <= set(Page(written[0].read_text()).links)
    assert other.status is Status.NOT_EVALUATED, "nothing run is nothing passed"


def test_junit_counts_what_was_not_evaluated_as_an_error(results):
    root = etree.fromstring(junit(results).encode())
    (suite,) = root
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "0",
    }
    assert [child.tag for case in suite for child in case] == ["failure", "system-out", "error"]
    assert "Bundle.total = 7" in suite[1][0].text


def test_junit_survives_characters_that_xml_has_not():
    action = ActionResult(Status.FAILED, "assert", "x", reason="a\x00b\x0b]]>")
    script = ScriptResult("s", "S", "", "role", "s.xml", [TestResult("t", "", [action])])
    assert etree.fromstring(junit([SetResult("n", "N", [script])]).encode()).tag == "testsuites"


def test_the_worst_counts():
    assert worst([]) is Status.PASSED
    assert worst([Status.PASSED, Status.NOT_EVALUATED, Status.WARNING]) is Status.NOT_EVALUATED
    assert worst([Status.FAILED, Status.NOT_EVALUATED]) is Status.FAILED
