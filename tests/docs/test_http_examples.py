"""docs/examples/requests.http: every request runs as it is written, on the demo world, and brings what it promises."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from databases import database
from servers import Running, serving

from gateway.store.engine import open_engine
from workbench.demo.world import load
from workbench.statictokens import issue, read_tokens

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
VARIABLE = re.compile(r"^@(\w+) = (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class HttpExample:
    """One request of the file, and what is expected of its answer."""

    title: str
    method: str
    url: str
    headers: dict[str, str]
    body: str
    status: int
    holds: str


def examples() -> list[HttpExample]:
    """The requests of the file, in order."""
    head, *blocks = re.split(r"^### ", (FOLDER / "requests.http").read_text("utf-8"), flags=re.MULTILINE)
    variables = dict(VARIABLE.findall(head))
    found = []
    for block in blocks:
        filled = re.sub(r"\{\{(\w+)\}\}", lambda name: variables[name[1]], block)
        top, _, body = filled.strip().partition("\n\n")
        title, expected, request, *headers = top.split("\n")
        wanted = re.fullmatch(r"# expect (\d{3}) (.+)", expected)
        assert wanted is not None, title
        method, url = request.split(" ", 1)
        fields = dict(line.split(": ", 1) for line in headers)
        found.append(HttpExample(title, method, url, fields, body, int(wanted[1]), wanted[2]))
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with database("sqlite", tmp_path_factory.mktemp("store")) as url, serving(url, visits=True) as running:
        engine = open_engine(url)
        issue(engine, running.settings, read_tokens((FOLDER / "tokens.json").read_bytes()))
        engine.dispose()
        yield running


@pytest.mark.parametrize("example", examples(), ids=lambda one: one.title)
def test_an_example_brings_what_it_promises(server: Running, example: HttpExample) -> None:
    address = example.url.replace("http://127.0.0.1:8080", server.base)
    with httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.request(example.method, address, headers=example.headers, content=example.body or None)
    assert answer.status_code == example.status, answer.text[:500]
    assert example.holds in answer.text
    assert ("gateway-explain" in answer.headers) == ("Gateway-Explain" in example.headers)


def test_the_examples_have_requests_that_are_answered_and_some_that_are_refused() -> None:
    assert len(examples()) >= 12
    assert {200, 400, 401, 403} <= {one.status for one in examples()}


def test_the_token_of_the_examples_is_of_an_invented_person() -> None:
    (token,) = read_tokens((FOLDER / "tokens.json").read_bytes(), ["ziekenhuiszandoord"])
    assert token.bsn in {one.bsn for one in load(datetime.now(UTC).date()).persons}
    assert token.bsn.startswith("999")
