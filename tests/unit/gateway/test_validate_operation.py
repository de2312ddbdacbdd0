"""$validate without any package: our tables name the zib element; a terminology service is asked last about a code."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from pydantic import ValidationError

from gateway.cli.validate import validate
from gateway.http.validate import router
from gateway.quality.settings import QualitySettings
from gateway.quality.verdicts import shared_validator
from gateway.settings import Settings
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from workbench.qualify.profilecheck import OwnChecker

NICTIZ = "http://nictiz.nl/fhir/StructureDefinition/"
SNOMED = "http://snomed.info/sct"
SUBJECT = {"reference": "Patient/1", "display": "Mw. Zandoord"}
PROBLEM = {
    "resourceType": "Condition",
    "meta": {"profile": [NICTIZ + "zib-Problem"]},
    "subject": SUBJECT,
    "code": {"text": "Hoofdpijn"},
}
PROCEDURE = {
    "resourceType": "Procedure",
    "meta": {"profile": [NICTIZ + "zib-Procedure"]},
    "status": "completed",
    "subject": SUBJECT,
    "code": {"coding": [{"system": SNOMED, "code": "80146002", "display": "Appendectomie"}]},
}
NAME = "Probleem, ProbleemStatus, NL-CM 5.1.4"


def operation(settings: Settings) -> FastAPI:
    """The operation as the gateway has it."""

    def validators(version: FhirVersion) -> Validator:
        return shared_validator(version, settings.package_cache, settings.validation.terminology_url)

    app = FastAPI(openapi_url=None)
    app.include_router(router(validators, settings.limits.body_bytes))
    return app


def answered(settings: Settings, resource: dict[str, Any], release: str = "stu3") -> list[dict[str, Any]]:
    """The issues of the operation's answer."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=operation(settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            headers = {"content-type": "application/fhir+json"}
            return await client.post(f"/fhir/{release}/$validate", content=json.dumps(resource), headers=headers)

    response = asyncio.run(ask())
    assert response.status_code == 200, response.text
    issues: list[dict[str, Any]] = response.json()["issue"]
    return issues


def errors(issues: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The errors among issues."""
    return [one for one in issues if one["severity"] == "error"]


def test_the_operation_names_the_zib_element_without_packages(tmp_path: Path) -> None:
    """SC-H2: no package is installed, and the steward still reads which zib element is meant."""
    [missing] = errors(answered(Settings(package_cache=str(tmp_path)), PROBLEM))
    assert NAME in missing["diagnostics"]


def test_a_profile_that_no_source_holds_is_told(tmp_path: Path) -> None:
    """No table holds it: the answer says that the profile was not checked, instead of nothing."""
    flag = {"resourceType": "Flag", "meta": {"profile": [NICTIZ + "nl-core-Signal"]}, "status": "active"}
    issues = answered(Settings(package_cache=str(tmp_path)), flag, "r4")
    assert [one["severity"] for one in issues if "nl-core-Signal" in one["details"]["text"]] == ["information"]
    assert errors(issues), "base rules are checked all the same"


def test_the_command_names_the_zib_element_without_packages(tmp_path: Path) -> None:
    args = ["--package-cache", str(tmp_path), "--fhir", "stu3", "-"]
    assert NAME in CliRunner().invoke(validate, args, input=json.dumps(PROBLEM).encode()).output


def test_the_qualification_checker_knows_zib_profiles_without_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PACKAGE_CACHE", str(tmp_path))
    checker = OwnChecker(["nictiz.fhir.nl.stu3.zib2017@2.2.18"])
    assert checker.check(PROBLEM, FhirVersion.STU3, []).outcome == "wrong"
    assert checker.check(PROBLEM | {"clinicalStatus": "active"}, FhirVersion.STU3, []).outcome != "unchecked"


def test_official_packages_are_called_by_our_names(tmp_path: Path) -> None:
    """The packages name many elements in English only, or not at all."""
    folder = tmp_path / "test.problem#1.0.0" / "package"
    folder.mkdir(parents=True)
    about = {"name": "test.problem", "version": "1.0.0", "fhirVersions": ["3.0.2"]}
    elements = [{"id": path, "path": path, "min": 1} for path in ("Condition.clinicalStatus",)]
    structure = {
        "resourceType": "StructureDefinition",
        "url": NICTIZ + "zib-Problem",
        "type": "Condition",
        "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Condition",
        "differential": {"element": [{"id": "Condition", "path": "Condition"}, *elements]},
    }
    (folder / "package.json").write_text(json.dumps(about))
    (folder / "problem.json").write_text(json.dumps(structure))
    [missing] = errors(answered(Settings(package_cache=str(tmp_path)), PROBLEM))
    assert "ProbleemStatus, NL-CM 5.1.4" in missing["diagnostics"]


class Terms(ThreadingHTTPServer):
    """A terminology service that knows which codes are in every value set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.known: set[str] = set()
        self.asked: list[str] = []


class Answer(BaseHTTPRequestHandler):
    """Answers ``ValueSet/$validate-code``."""

    def do_GET(self) -> None:
        """One question."""
        terms = self.server
        assert isinstance(terms, Terms)
        [code] = parse_qs(urlsplit(self.path).query)["code"]
        terms.asked.append(code)
        body = json.dumps({"parameter": [{"name": "result", "valueBoolean": code in terms.known}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """No lines on the terminal."""


@pytest.fixture
def terms() -> Iterator[Terms]:
    """A running service."""
    with Terms() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("known", [True, False])
def test_a_terminology_service_decides_what_no_list_can(tmp_path: Path, terms: Terms, known: bool) -> None:
    place = ["Procedure.code.coding[0]"]
    without = answered(Settings(package_cache=str(tmp_path)), PROCEDURE)
    assert [one["expression"] for one in without if one["severity"] == "information"] == [place]
    terms.known = {"80146002"} if known else set()
    url = f"http://127.0.0.1:{terms.server_port}/fhir"
    settings = Settings(package_cache=str(tmp_path), validation=QualitySettings(terminology_url=url))
    issues = answered(settings, PROCEDURE)
    assert terms.asked == ["80146002"]
    assert not [one for one in issues if one["severity"] == "information"]
    assert (place in [one["expression"] for one in errors(issues)]) is not known


@pytest.mark.parametrize("url", ["ftp://terms.example.org", "terms.example.org", "https://t.example.org/fhir?x=1"])
def test_a_terminology_service_has_a_web_address(url: str) -> None:
    with pytest.raises(ValidationError):
        QualitySettings(terminology_url=url)
