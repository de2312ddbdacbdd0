"""``gateway pgo``: a client from the command line, against the running gateway and against a DVA that misbehaves."""

import json
import os
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn
from click.testing import CliRunner, Result
from servers import free_port
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from unit.workbench.pgo.pgo_fakes import FakeGateway, bundle, outcome

from workbench.cli.pgo import pgo
from workbench.cli.visit import started

NO_STORE = {"Cache-Control": "no-store"}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """A demo gateway in a process of its own."""
    with started() as address:
        yield address


def run(*words: str, told: str | None = None) -> Result:
    """The command with these words; ``told`` is what a person types."""
    return CliRunner().invoke(pgo, list(words), input=told)


def visit(base: str, *more: str, redirect: str = "", told: str | None = None) -> Result:
    """A visit to the hospital of a gateway at this address."""
    options = {
        "--authorize": f"{base}/oauth/authorize",
        "--token": f"{base}/oauth/token",
        "--resource": f"{base}/{{provider}}/{{service}}/fhir",
        "--client-id": "pgo.demo.example",
        "--redirect-uri": redirect or f"{base}/demo-pgo/callback",
        "--provider": "ziekenhuiszandoord",
    }
    return run("visit", *(word for pair in options.items() for word in pair), *more, told=told)


def report(result: Result) -> dict[str, Any]:
    """The report that was printed as JSON."""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_visit_to_our_own_gateway_finds_nothing_wrong(base: str, tmp_path: Path) -> None:
    """Issue 5 point 8; CT-04: every field of the token answer is shown, the token is not."""
    done = visit(base, "--login", "Joke", "--save", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert "expires_in: 900" in done.stdout
    assert "scope: ziekenhuiszandoord~48 ziekenhuiszandoord~51" in done.stdout
    assert "access_token: (hidden, 43 characters)" in done.stdout
    assert "30 searches, 0 with a problem" in done.stdout
    kept = json.loads((tmp_path / "48-problem.json").read_text("utf-8"))
    assert kept["type"] == "searchset"
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["clean"] is True


def test_one_service_by_its_own_endpoint(base: str) -> None:
    done = visit(
        base, "--login", "Joke", "--json", "--service", "51", "--resource", f"51={base}/ziekenhuiszandoord/51/fhir"
    )
    assert done.exit_code == 0
    assert {row["service"] for row in report(done)["searches"]} == {"51"}


def test_a_lasting_consent_is_refreshed_and_revoked(base: str, tmp_path: Path) -> None:
    """CT-06, CT-80, CT-81, CT-86: the kept file is for its owner only, and changes with every refresh."""
    session = tmp_path / "session.json"
    done = visit(base, "--login", "Joke", "--tick", "tot ik die zelf stop", "--keep", str(session))
    assert done.exit_code == 0
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    before = json.loads(session.read_text("utf-8"))
    assert before["refresh_token"]
    assert before["refresh_token"] not in done.output

    again = run("refresh", "--keep", str(session), "--json", "--service", "48")
    assert again.exit_code == 0, again.output
    assert len(report(again)["searches"]) == 28
    after = json.loads(session.read_text("utf-8"))
    assert after["refresh_token"] != before["refresh_token"]

    ended = run("revoke", "--keep", str(session), "--revoke", f"{base}/oauth/revoke")
    assert ended.exit_code == 0, ended.output
    dead = run("refresh", "--keep", str(session))
    assert dead.exit_code == 1
    assert "status 400: invalid_grant" in dead.stdout


def test_a_person_who_may_not_collect_stops_the_visit(base: str) -> None:
    """CT-50."""
    done = visit(base, "--login", "Daan", "--json")
    assert done.exit_code == 1
    assert "Dit kan nu niet" in report(done)["stopped"]


def test_a_request_that_is_refused_by_redirect(base: str) -> None:
    """CT-34: the reason is what the DVA told."""
    done = visit(base, "--login", "Joke", "--scope", "onbekend", "--json")
    assert done.exit_code == 1
    assert "invalid_scope" in report(done)["stopped"]


def test_by_hand_the_address_is_pasted(base: str) -> None:
    """A person goes through the pages; here the address that comes back is not an answer to our request."""
    done = visit(base, "--json", told=f"{base}/demo-pgo/callback?code=x&state=other\n")
    assert done.exit_code == 1
    assert "/oauth/authorize?response_type=code" in done.stderr
    assert "state" in report(done)["stopped"]
    elsewhere = visit(base, "--json", told="https://elders.example/cb?code=x\n")
    assert "not the redirect URI" in report(elsewhere)["stopped"]
    twice = visit(base, "--json", told=f"{base}/demo-pgo/callback?code=x&code=y\n")
    assert "twice" in report(twice)["stopped"]
    assert visit(base, "--json", told="").exit_code == 1


class Wayward(FakeGateway):
    """A DVA that can be made to misbehave in one way at a time."""

    def __init__(self, **how: Any) -> None:
        super().__init__(how.pop("services", "48"), how.pop("answers", None))
        self.how = how

    async def authorize(self, request: Request) -> Response:
        self.asked = dict(request.query_params)
        if "authorize" in self.how:
            return self.how["authorize"]
        if self.how.get("loop"):
            return RedirectResponse(str(request.url), 302)
        state = self.how.get("state", self.asked["state"])
        return RedirectResponse(f"{self.asked['redirect_uri']}?code=once&state={state}", 302)

    async def token(self, request: Request) -> Response:
        answer = self.how.get("token")
        if answer is not None:
            return answer
        scope = " ".join(f"ziekenhuiszandoord~{service}" for service in self.services.split())
        body = {"access_token": "a-token", "token_type": "Bearer", "expires_in": 900, "scope": scope}
        return JSONResponse(body | self.how.get("fields", {}), headers=self.how.get("headers", NO_STORE))

    async def fhir(self, request: Request) -> Response:
        if "raw" in self.how:
            return Response(self.how["raw"], media_type=self.how.get("media", "application/fhir+json"))
        return await super().fhir(request)


@contextmanager
def serving(gateway: FakeGateway, **tls: Any) -> Iterator[str]:
    """The fake on a real socket; gives its address."""
    port = free_port()
    config = uvicorn.Config(
        gateway.app, host="127.0.0.1", port=port, log_level="critical", lifespan="off", loop="asyncio", **tls
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def tried(**how: Any) -> tuple[int, dict[str, Any]]:
    """The exit code and the report of a visit to a DVA that misbehaves like this."""
    with serving(Wayward(**how)) as base:
        done = visit(base, "--login", "Joke", "--json")
        return done.exit_code, report(done)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"authorize": HTMLResponse("<h1>Storing</h1>", 500)}, "status 500"),
        ({"authorize": HTMLResponse("<h1>Leeg</h1>")}, "stopped at the page 'Leeg'"),
        ({"loop": True}, "do not come to an end"),
        ({"authorize": RedirectResponse("javascript:alert(1)", 302)}, "no answer"),
        ({"state": "other"}, "the state in the redirect"),
        ({"token": Response("<html>", 502)}, "no access token"),
        ({"token": JSONResponse([1], headers=NO_STORE)}, "no access token"),
        ({"token": JSONResponse({"error": "invalid_client"}, 401, NO_STORE)}, "no access token"),
        ({"services": "123456"}, "nothing was granted that can be searched"),
    ],
)
def test_a_visit_that_cannot_go_on_says_where_it_stopped(how: dict[str, Any], told: str) -> None:
    code, found = tried(**how)
    assert (code, found["clean"]) == (1, False)
    assert told in found["stopped"]


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ({"headers": {}}, "TOKEN-10"),
        ({"fields": {"expires_in": 3600}}, "TOKEN-11"),
        ({"fields": {"expires_in": "lang"}}, "TOKEN-11"),
        ({"fields": {"token_type": "mac"}}, "TOKEN-10"),
        ({"fields": {"scope": "48"}}, "SCOPE-09"),
        ({"token": JSONResponse({"error": "invalid_grant"}, 400)}, "no-store"),
        ({"token": Response("nee", 400, NO_STORE)}, "TOKEN-17"),
    ],
)
def test_what_is_wrong_with_a_token_answer(how: dict[str, Any], rule: str) -> None:
    """TOKEN-10, TOKEN-11, TOKEN-17, SCOPE-09."""
    code, found = tried(**how)
    assert code == 1
    assert rule in " ".join(found["tokenProblems"])
    assert "a-token" not in json.dumps(found)


@pytest.mark.parametrize(
    ("raw", "media", "told"),
    [
        (b"", "application/fhir+json", "no searchset"),
        (b"<html>", "text/html", "no searchset"),
        (b"[" * 100_000, "application/fhir+json", "no searchset"),
        (b'{"resourceType": "Patient"}', "application/fhir+json", "no searchset"),
        (b'{"resourceType": "Bundle", "type": "searchset", "entry": [null, {"resource": 1}]}', "x/y", "RES-08"),
        (
            b'{"resourceType": "Bundle", "type": "searchset", "entry": {}, "link": 1}',
            "application/fhir+json",
            "self link",
        ),
    ],
)
def test_answers_that_are_no_fhir_are_told_and_never_a_crash(raw: bytes, media: str, told: str) -> None:
    code, found = tried(raw=raw, media=media)
    assert code == 1
    assert len(found["searches"]) == 28
    assert all(told in " ".join(row["problems"]) for row in found["searches"])


def test_what_is_wrong_with_single_searches() -> None:
    """RES-11, RES-12, IDN-06."""
    bsn = {"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": "999951750"}
    patient = {"resourceType": "Patient", "id": "p", "identifier": [bsn]}
    code, found = tried(
        answers={
            "Patient": bundle((patient, "match")),
            "Condition": bundle(({"resourceType": "Flag", "id": "f"}, "match")),
            "Flag": (500, {}),
            "NutritionOrder": (503, outcome("busy")),
            "AllergyIntolerance": bundle((outcome("one source is away"), "outcome")),
        }
    )
    problems = {row["search"]: " | ".join(row["problems"]) for row in found["searches"]}
    assert code == 1
    assert "IDN-06" in problems["patient"]
    assert "999951750" not in json.dumps(found)
    assert "Flag came, Condition was asked" in problems["problem"]
    assert problems["alert"] == "status 500 without an OperationOutcome (RES-11)"
    assert problems["nutritionAdvice"] == "status 503: busy"
    assert "one source is away" in problems["allergyIntolerance"]


def test_a_revocation_that_does_nothing_is_found_out(tmp_path: Path) -> None:
    """LTC-08, LTC-09."""
    session = tmp_path / "session.json"
    with serving(Wayward()) as base:
        visit(base, "--login", "Joke", "--keep", str(session))
        done = run("revoke", "--keep", str(session), "--revoke", f"{base}/oauth/token")
    assert done.exit_code == 1
    assert "still answered" in done.stdout


def test_a_loopback_redirect_is_listened_to(tmp_path: Path) -> None:
    """The browser of the person, here a script that follows redirects, brings the code to the waiting command."""
    script = tmp_path / "browser.py"
    script.write_text(
        "import sys, httpx; page = httpx.get(sys.argv[1], follow_redirects=True, trust_env=False);"
        f"open({str(tmp_path / 'seen')!r}, 'w').write(page.text)",
        "utf-8",
    )
    with serving(Wayward()) as base:
        words = ["--authorize", f"{base}/oauth/authorize", "--token", f"{base}/oauth/token", "--json", "--browser"]
        words += ["--resource", f"{base}/{{provider}}/{{service}}/fhir", "--client-id", "pgo.demo.example"]
        words += ["--redirect-uri", f"http://127.0.0.1:{free_port()}/cb", "--provider", "ziekenhuiszandoord"]
        done = subprocess.run(
            [sys.executable, "-c", "from gateway.cli.main import main; main()", "pgo", "visit", *words, "--wait", "20"],
            env={**os.environ, "BROWSER": f"{sys.executable} {script} %s"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    found = json.loads(done.stdout)
    assert found["stopped"] is None, done.stderr
    assert len(found["searches"]) == 28
    assert "You can close this window" in (tmp_path / "seen").read_text("utf-8")


def test_mutual_tls_on_the_back_channel(tmp_path: Path) -> None:
    """TLS-07: the front channel asks no certificate, the back channel gives nothing without one."""
    authority = trustme.CA()
    ca, mine, theirs = tmp_path / "ca.pem", tmp_path / "mine.pem", tmp_path / "theirs.pem"
    authority.cert_pem.write_to_path(ca)
    authority.issue_cert("pgo.demo.example").private_key_and_cert_chain_pem.write_to_path(mine)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(theirs)
    tls = {"ssl_certfile": str(theirs), "ssl_keyfile": str(theirs)}
    asks = {"ssl_ca_certs": str(ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    gateway = Wayward()
    with serving(gateway, **tls) as front, serving(gateway, **tls, **asks) as back:
        words = ["visit", "--authorize", f"{front}/oauth/authorize", "--token", f"{back}/oauth/token"]
        words += ["--resource", f"{back}/{{provider}}/{{service}}/fhir", "--provider", "ziekenhuiszandoord"]
        words += ["--client-id", "pgo.demo.example", "--redirect-uri", "https://pgo.demo.example/cb"]
        words += ["--login", "Joke", "--json", "--ca", str(ca)]
        known = run(*words, "--cert", str(mine), "--key", str(mine))
        nobody = run(*words)
        wrong = run(*words, "--cert", str(ca))
    assert [row["status"] for row in report(known)["searches"]] == [200] * 28
    assert "the token endpoint gave no answer" in report(nobody)["stopped"]
    assert wrong.exit_code == 2


def test_nobody_comes_back() -> None:
    with serving(Wayward()) as base:
        done = visit(base, "--json", "--wait", "1", redirect=f"http://127.0.0.1:{free_port()}/cb")
    assert "nobody came back" in report(done)["stopped"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--resource", "https://x.example/fhir"], "two resource endpoints"),
        (["--resource", "51=ftp://x"], "no http or https URL"),
        (["--fill", "name"], "NAME=VALUE"),
        (["--login", "Joke", "--ca", __file__], "certificate"),
    ],
)
def test_wrong_usage_ends_with_two(base: str, more: list[str], told: str) -> None:
    done = visit(base, *more)
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}", "utf-8")
    done = run("refresh", "--keep", str(other))
    assert done.exit_code == 2
    assert "is no file of" in done.stderr


def test_a_visit_as_a_known_receiver_tells_what_it_would_show(base: str) -> None:
    """APP-04: its searches and its patience; every resource with its fate."""
    done = visit(base, "--login", "Joke", "--json", "--receiver", "mgo")
    assert done.exit_code == 0, done.output
    found = report(done)
    assert (found["receiver"], len(found["searches"])) == ("Mijn Gezondheidsoverzicht", 29)
    assert {one["outcome"] for one in found["received"]} <= {"shown", "by reference", "no parser"}
    assert any(one["resource"].startswith("AllergyIntolerance/") for one in found["received"])
    shown = visit(base, "--login", "Joke", "--receiver", "mgo")
    assert "zib-AllergyIntolerance" in shown.output
    assert visit(base, "--receiver", "moh").exit_code == 2
