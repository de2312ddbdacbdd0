"""Conformance cases at the gateway as it is installed: production mode, two processes, TLS on both channels.

What needs more than one process (races, an end that holds everywhere at once) and what needs the whole product (the
resource server, the lists from a node, load) is told here, on SQLite and on PostgreSQL.
"""

import json
import shutil
import ssl
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
from databases import database
from flow.auth.test_auth_tokens import GRANT, alive, told
from security.processworld import EPD, LISTED, MANY, NEWCOMER, Processes, ProcessHouse
from security.socketworld import BACK_HOST, FRONT_HOST, SocketPgo
from security.tlsworld import handshake, offering
from unit.auth_lists import listdocs as docs
from world.auth_house import FRONT, ZANDOORD, D, G
from world.intake_house import condition, patient

from profiles.standards.load import catalogue

pytestmark = pytest.mark.anyio
FHIR = f"/{ZANDOORD}/48/fhir"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def processes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    folder = tmp_path_factory.mktemp("installed")
    with database(request.param, folder) as url, Processes(folder, url).running() as found:
        yield found


@pytest.fixture
async def house(processes: Processes) -> AsyncIterator[ProcessHouse]:
    made = ProcessHouse(processes)
    yield made
    await made.close()


def pair(house: ProcessHouse, hostname: str = D) -> tuple[SocketPgo, SocketPgo]:
    """One client and its browser, at each of the two processes."""
    first = house.pgo(hostname)
    return first, first.at(1)


async def both(*calls: Callable[[], Awaitable[httpx.Response]]) -> list[httpx.Response]:
    """The answers to calls made at the same time."""
    answers: list[httpx.Response] = []

    async def call(one: Callable[[], Awaitable[httpx.Response]]) -> None:
        answers.append(await one())

    async with anyio.create_task_group() as group:
        for one in calls:
            group.start_soon(call, one)
    return answers


# --- one visit, and what its token opens ----------------------------------------------------------------------------


async def test_one_visit(house: ProcessHouse) -> None:
    """CT-02, CT-04, CT-05: each step of the visit at another process than the step before."""
    first, second = pair(house)
    login = await first.to_login(await first.authorize())
    consent = await second.log_in(login, house.bsn("joke"))
    code = await first.grant(consent)
    answer = await second.token(code)
    assert answer.json()["scope"] == f"{ZANDOORD}~48 {ZANDOORD}~51"
    assert answer.json()["token_type"].lower() == "bearer"
    for pgo in (first, second):
        bundle = await pgo.bearer({"Authorization": f"Bearer {answer.json()['access_token']}"})
        assert bundle.json()["total"] > 0


async def test_a_token_for_one_service_opens_no_other(house: ProcessHouse) -> None:
    """CT-88, ERR-43."""
    pgo = house.pgo()
    token = (await pgo.tokens(house.bsn("joke"), scope=f"{ZANDOORD}~48"))["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    assert (await pgo.bearer(header)).status_code == 200
    answer = await pgo.bearer(header, path=f"/{ZANDOORD}/51/fhir/DocumentReference?status=current")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_the_capability_statement_needs_no_token(house: ProcessHouse) -> None:
    """CT-91: over mutual TLS; without a certificate it is refused."""
    pgo = house.pgo()
    statement = await pgo.bearer({}, path=f"{FHIR}/metadata")
    assert statement.json()["resourceType"] == "CapabilityStatement"
    assert statement.json()["fhirVersion"].startswith("3.0")
    assert (await pgo.server.get(f"{FHIR}/metadata")).status_code == 403


async def test_nobody_can_be_asked_for_by_name_or_number(house: ProcessHouse) -> None:
    """CT-92, ERR-46: refused, and the value is nowhere in the logs of the processes."""
    pgo = house.pgo()
    header = {"Authorization": f"Bearer {(await pgo.tokens(house.bsn('joke')))['access_token']}"}
    number = house.bsn("bram")
    for path in (f"Patient?identifier=urn:oid:2.16|{number}", f"Condition?patient=Patient/{number}"):
        answer = await pgo.bearer(header, path=f"{FHIR}/{path}")
        assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
        assert number not in answer.text
    assert number not in house.sockets.told()


async def test_no_answer_holds_a_number_of_a_person(house: ProcessHouse) -> None:
    """CT-93, IDN-06: every search of the BgZ, its links included."""
    pgo = house.pgo()
    header = {"Authorization": f"Bearer {(await pgo.tokens(house.bsn('joke')))['access_token']}"}
    numbers = {one.bsn for one in house.sockets.world.persons}
    resources = 0
    for rule in catalogue().standards["bgz-3"].rules:
        query = "&".join(f"{one.name}={one.value}" for one in rule.required)
        answer = await pgo.bearer(header, path=f"{FHIR}/{rule.path.lstrip('/')}?{query}")
        if answer.status_code != 200:
            assert answer.status_code == 404, answer.text
            continue
        assert not [number for number in numbers if number in answer.text]
        for link in answer.json()["link"]:
            assert not parse_qs(urlsplit(link["url"]).query).keys() & {"patient", "subject", "identifier"}
        resources += len(answer.json().get("entry", []))
    assert resources > 50


async def test_what_a_source_pushed_is_collected(house: ProcessHouse) -> None:
    """SC-H1: taken in by the process of the listeners, over mutual TLS, and given at once by those for the world."""
    processes = house.sockets
    pgo = house.pgo()
    context, kind = processes.context(EPD), {"Content-Type": "application/fhir+json"}
    async with httpx.AsyncClient(verify=context, trust_env=False) as epd:
        for resource in (patient("pushed", NEWCOMER), condition("pushed", "pushed")):
            url = f"https://127.0.0.1:{processes.intake}/intake/epd/{resource['resourceType']}/pushed"
            sent = {"json": resource, "headers": kind, "extensions": {"sni_hostname": BACK_HOST}}
            assert (await epd.put(url, **sent)).status_code == 201
    token = (await pgo.tokens(NEWCOMER, scope=f"{ZANDOORD}~48"))["access_token"]
    for one in (pgo, pgo.at(1)):
        found = (await one.bearer({"Authorization": f"Bearer {token}"})).json()
        assert [entry["resource"]["id"] for entry in found["entry"] if entry["search"]["mode"] == "match"] == ["pushed"]
        assert (await one.server.get("/intake/epd/Patient/pushed")).status_code == 403


async def test_a_process_says_that_it_is_ready(house: ProcessHouse) -> None:
    """`gateway healthcheck`, as a container asks it, over the TLS of the process."""
    (port, *_) = [ports[BACK_HOST] for ports in house.sockets.ports]
    assert house.sockets.command("healthcheck", GATEWAY_LISTEN__PORT=str(port)).returncode == 0
    assert house.sockets.command("healthcheck", GATEWAY_LISTEN__PORT="1").returncode == 1


# --- two processes at the same time ---------------------------------------------------------------------------------


async def test_a_code_used_again(house: ProcessHouse) -> None:
    """CT-60: the second process knows what the first did, and the first what the second undid."""
    first, second = pair(house)
    code = await first.code(house.bsn("joke"))
    token = (await first.token(code)).json()["access_token"]
    assert await alive(second, token)
    assert told(await second.token(code)) == GRANT
    assert not await alive(first, token)
    assert not await alive(second, token)


async def test_one_code_at_the_same_time(house: ProcessHouse) -> None:
    """CT-61, TOKEN-18: exactly one 200, ten times; and afterwards the code is dead everywhere."""
    first, second = pair(house)
    for _ in range(10):
        code = await first.code(house.bsn("joke"))
        answers = await both(*[partial(pgo.token, code) for pgo in (first, second) * 3])
        assert sorted(answer.status_code for answer in answers) == [200, *[400] * 5]
        assert {told(answer) for answer in answers if answer.status_code != 200} == {GRANT}
        assert told(await second.token(code)) == GRANT


async def test_a_code_in_other_hands(house: ProcessHouse) -> None:
    """CT-64: refused for G at one process, spent for D at the other."""
    first, thief = house.pgo(), house.pgo(G).at(1)
    code = await first.code(house.bsn("joke"))
    assert told(await thief.token(code, redirect_uri=first.redirect_uri)) == GRANT
    assert told(await first.token(code)) == GRANT


async def test_refresh(house: ProcessHouse) -> None:
    """CT-80: rotation goes from process to process."""
    first, second = pair(house)
    token = await first.tokens(house.bsn("joke"), lasting=True)
    for pgo, other in ((second, first), (first, second)):
        answer = await pgo.refresh(token["refresh_token"])
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] != token["refresh_token"]
        assert answer.json()["scope"] == token["scope"]
        token = answer.json()
        assert await alive(other, token["access_token"])


async def test_an_old_refresh_token(house: ProcessHouse) -> None:
    """CT-81, LTC-04: replayed at the other process, it ends the family at both."""
    first, second = pair(house)
    old = await first.tokens(house.bsn("joke"), lasting=True)
    new = (await first.refresh(old["refresh_token"])).json()
    assert told(await second.refresh(old["refresh_token"])) == GRANT
    assert not await alive(first, new["access_token"])
    assert told(await first.refresh(new["refresh_token"])) == GRANT


async def test_refresh_at_the_same_time(house: ProcessHouse) -> None:
    """CT-80, CT-81, LTC-04: exactly one wins; the others are a reuse."""
    first, second = pair(house)
    for _ in range(5):
        token = (await first.tokens(house.bsn("joke"), lasting=True))["refresh_token"]
        answers = await both(*[partial(pgo.refresh, token) for pgo in (first, second) * 2])
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        assert {told(answer) for answer in answers if answer.status_code != 200} == {GRANT}


async def test_consent_withdrawn(house: ProcessHouse) -> None:
    """CT-85, LTC-09: ended at one process; the very next request at the other is refused."""
    first, second = pair(house, G)
    token = await first.tokens(house.bsn("bram"), lasting=True)
    assert await alive(first, token["access_token"])
    landing = await second.browser.get(f"{FRONT}/consents")
    page = await second.log_in(await second.to_login(landing), house.bsn("bram"))
    ended = await second.submit(await second.submit(page, "end-1"), "end")
    assert "kan vanaf nu niets meer ophalen" in ended.text
    assert not await alive(first, token["access_token"])
    assert told(await first.refresh(token["refresh_token"])) == GRANT


async def test_revocation(house: ProcessHouse) -> None:
    """CT-86, LTC-08: either token ends the grant at both; an unknown token is 200 too."""
    first, second = pair(house)
    for which in ("access_token", "refresh_token"):
        token = await first.tokens(house.bsn("joke"), lasting=True)
        assert await alive(first, token["access_token"])
        answer = await second.post("/oauth/revoke", {"token": token[which], "client_id": D})
        assert answer.status_code == 200
        assert not await alive(first, token["access_token"])
        assert told(await first.refresh(token["refresh_token"])) == GRANT
    assert (await second.post("/oauth/revoke", {"token": "unknown", "client_id": D})).status_code == 200


# --- many at the same time ------------------------------------------------------------------------------------------

REFRESHES = 4


async def test_fifty_clients(house: ProcessHouse) -> None:
    """CT-103, CT-105, CT-101: fifty visits at once, then their token calls; every value is new and without structure.

    Nothing of a person, a code or a token stands in the logs of the processes afterwards.
    """
    pgos = [house.pgo(host).at(number % 2) for number, host in enumerate(MANY)]
    codes: dict[str, str] = {}
    values: list[str] = []
    taken: list[float] = []

    async def code(pgo: SocketPgo) -> None:
        async with visits:
            codes[pgo.hostname] = await pgo.code(house.bsn("joke"), lasting=True)

    async def client(pgo: SocketPgo) -> None:
        answer = await timed(partial(pgo.token, codes[pgo.hostname]))
        for _ in range(REFRESHES):
            answer = await timed(partial(pgo.refresh, answer["refresh_token"]))

    async def timed(call: Callable[[], Awaitable[httpx.Response]]) -> dict[str, str]:
        started = time.perf_counter()
        answer = await call()
        taken.append(time.perf_counter() - started)
        assert answer.status_code == 200, answer.text
        values.extend((answer.json()["access_token"], answer.json()["refresh_token"]))
        return dict(answer.json())

    # A browser gives up after five seconds; the visits are not what is measured.
    visits = anyio.Semaphore(10)
    async with anyio.create_task_group() as group:
        for pgo in pgos:
            group.start_soon(code, pgo)
    async with anyio.create_task_group() as group:
        for pgo in pgos:
            group.start_soon(client, pgo)
    assert len(taken) == len(MANY) * (1 + REFRESHES)
    assert statistics.quantiles(taken, n=100)[98] < 10
    values += codes.values()
    assert len(set(values)) == len(values) == len(MANY) * (3 + 2 * REFRESHES)
    assert {len(value) for value in values} == {43}
    # 43 characters of 64 kinds: in a place with structure, some character would stand far too often.
    for place in range(42):
        found = [value[place] for value in values]
        assert max(found.count(one) for one in set(found)) < len(values) / 64 + 25
    log = house.sockets.told()
    assert not [value for value in values if value in log]
    assert not [one.bsn for one in house.sockets.world.persons if one.bsn in log]


# --- lists and certificates -----------------------------------------------------------------------------------------

WRONG = {
    "invalid": {"CLIENTS": docs.clients(["<OAuthclient/>"], number="8")},
    "lower number": {"CLIENTS": docs.clients([docs.client(D)], number="6")},
    "empty": {"WHITELIST": docs.whitelist([], number="8")},
    "with a DTD": {"WHITELIST": docs.document("Whitelist", 2, "", number="8", before="<!DOCTYPE Whitelist []>\n")},
}


ONCE = pytest.mark.parametrize("processes", ["sqlite"], indirect=True)
"""For what does not touch the database."""


@ONCE
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_list_from_the_node(house: ProcessHouse, wrong: dict[str, bytes]) -> None:
    """CT-99: refused with an alarm, by the command and by a process that starts; the old list stays in use."""
    processes = house.sockets
    processes.node.publish(number=7, **wrong)
    try:
        done = processes.command("lists", "refresh", "--json")
        assert done.returncode == 1
        report = json.loads(done.stdout)
        assert [notice["alarm"] for notice in report["notices"]].count(True) == 1
        assert {row["number"] for row in report["lists"]} == {7}
        assert {row["state"] for row in report["lists"]} == {"fresh"}
    finally:
        processes.node.publish(number=7)


@ONCE
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("version", "suites"),
    [(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"), (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-SHA384")],
    ids=["TLS 1.1", "CBC"],
)
async def test_old_versions_and_weak_suites(house: ProcessHouse, version: ssl.TLSVersion, suites: str) -> None:
    """CT-104, TLS-02 to TLS-04: refused on both channels of both processes."""
    for ports in house.sockets.ports:
        for host in (BACK_HOST, FRONT_HOST):
            assert handshake(ports[host], offering(ssl.TLSVersion.TLSv1_3))[0] == "TLSv1.3"
            with pytest.raises((ssl.SSLError, ConnectionError)):
                handshake(ports[host], offering(version, suites))


@ONCE
async def test_a_wrong_front_certificate(house: ProcessHouse) -> None:
    """CT-104, TLS-06: `gateway doctor` calls a wildcard and a domain-validated one an error; with a good one, none."""
    processes = house.sockets
    good = json.loads(processes.command("doctor", "--json").stdout)
    # The names of hosts are those of nobody here: doctor says so, and nothing else is wrong.
    assert [one for one in good if one["level"] == "error" and not one["what"].startswith("host ")] == []
    issue = processes.pki.issuing.issue
    wrong = {"wildcard": issue("*.zandoord.example"), "domain-validated": issue(FRONT_HOST, organisation=None)}
    try:
        for fault, identity in wrong.items():
            certificate, key = identity.write(processes.folder, "wrong")
            processes.configure(tls={"front_certificate": str(certificate), "front_key": str(key)})
            found = processes.command("doctor", "--json")
            wrongs = [one["text"] for one in json.loads(found.stdout) if one["level"] == "error"]
            assert found.returncode != 0
            assert any(fault in text for text in wrongs), found.stdout
    finally:
        processes.configure()


@contextmanager
def another(house: ProcessHouse) -> Iterator[int]:
    """One more process for as long as the block runs; gives its place among them."""
    processes = house.sockets
    with processes.worker() as ports:
        processes.ports.append(ports)
        yield len(processes.ports) - 1
        processes.ports.pop()


@ONCE
async def test_the_lists_at_a_start(house: ProcessHouse) -> None:
    """CT-56, CT-75, CT-99: wrong lists, then a list without G, then no lists at all, each at the start of a process."""
    processes = house.sockets
    code, lost = await house.pgo().code(house.bsn("joke")), await house.pgo(G).code(house.bsn("joke"))
    try:
        processes.node.publish(number=7, **WRONG["with a DTD"], **WRONG["invalid"])
        with another(house) as third:
            assert (await house.pgo().at(third).token(code)).status_code == 200
        log = processes.logs[-1].read_text()
        assert "Whitelist: a document type declaration is not allowed" in log
        assert "OAuthclientlist: against its schema" in log
        kept = shutil.copytree(processes.folder / "lists", processes.folder / "kept")
        processes.configure(lists={"copies": str(kept)})
        processes.node.publish(number=8, hosts=[host for host in LISTED if host != G])
        with another(house) as third:
            assert told(await house.pgo(G).at(third).token(lost)) == (403, "invalid_client")
        processes.configure(lists={"copies": str(processes.folder / "none"), "url": "https://localhost:1/"})
        with another(house) as third:
            page = await house.pgo().at(third).authorize()
            assert page.status_code >= 500
            assert 'id="leave"' not in page.text
            assert "location" not in page.headers
    finally:
        processes.configure()
        processes.node.publish(number=7)
