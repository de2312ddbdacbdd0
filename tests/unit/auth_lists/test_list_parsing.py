"""A list is read when it is safe, valid and sensible, and refused with one kind of error when it is not."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import shared
from timing import work_below
from unit.auth_lists import listdocs as docs

from auth.clients import parse as parse_module
from auth.clients.model import (
    UNNAMED_INTERFACE,
    HostWhitelist,
    ListError,
    ListKind,
    OAuthClientList,
    ProviderList,
    ServiceNameList,
)
from auth.clients.parse import parse

WHL, OCL, ZAL, GNL = ListKind.WHITELIST, ListKind.CLIENTS, ListKind.PROVIDERS, ListKind.NAMES


def read_clients(data: bytes) -> OAuthClientList:
    found = parse(OCL, data)
    assert isinstance(found, OAuthClientList)
    return found


def read_providers(data: bytes) -> ProviderList:
    found = parse(ZAL, data)
    assert isinstance(found, ProviderList)
    return found


# --- what is read --------------------------------------------------------------------------------------------------


def test_a_whitelist_is_a_mapping_of_hosts() -> None:
    found = parse(WHL, docs.whitelist())
    assert isinstance(found, HostWhitelist)
    assert list(found) == [docs.PGO, docs.MAP, docs.NODE]
    assert found.heading.number == 7
    assert found.heading.issued.isoformat() == docs.STAMP
    assert found.holds(docs.PGO)


@pytest.mark.parametrize("host", ["medmij", "x." + docs.PGO, docs.PGO + ".evil.example", docs.PGO.upper(), "", "*"])
def test_a_whitelist_holds_exact_names_only(host: str) -> None:
    """TLS-08, LIST-09."""
    found = parse(WHL, docs.whitelist())
    assert isinstance(found, HostWhitelist)
    assert not found.holds(host)


@pytest.mark.parametrize("release", [2, 3])
def test_a_client_without_service_block_states_no_services(release: int) -> None:
    """LIST-16: no block means not stated; an empty block means none."""
    found = read_clients(docs.clients([docs.client(), docs.client(docs.MAP, services=[])], release=release))
    assert found[docs.PGO].services is None
    assert found[docs.MAP].services == frozenset()
    assert found.find("pgo.onbekend.example") is None


@pytest.mark.parametrize("release", [2, 3])
def test_a_client_may_state_its_services(release: int) -> None:
    """LIST-16."""
    found = read_clients(docs.clients([docs.client(services=["48", "65"])], release=release))
    assert found[docs.PGO].services == frozenset({"48", "65"})


def test_a_provider_of_the_current_list_has_interfaces_services_and_roles() -> None:
    """LIST-15."""
    entry = docs.provider("ggzmerwerand@medmij", docs.service("50"), docs.service("65", days=365))
    found = read_providers(docs.providers([entry]))["ggzmerwerand@medmij"]
    assert found.kind == "ZA"
    assert set(found.interfaces["2"]) == {"50", "65"}
    subscribe = found.interfaces["2"]["65"].subscribe
    assert subscribe is not None
    assert subscribe.max_days == 365
    assert found.interfaces["2"]["50"].subscribe is None
    assert list(found.interfaces["2"]["50"].roles) == ["MM-3.0-BZB-FHIR"]


def test_a_provider_of_the_list_of_2018_has_one_unnamed_interface() -> None:
    """LIST-15, VER-05."""
    found = read_providers(docs.providers([docs.provider11()], release=2))["ziekenhuiszandoord@medmij"]
    assert found.kind is None
    assert set(found.interfaces) == {UNNAMED_INTERFACE}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (WHL, ("whitelist.xml",)),
        (OCL, ("oauthclientlist.xml",)),
        (OCL, ("oauthclientlist-2x-inferred.xml",)),
        (ZAL, ("zorgaanbiederslijst.xml",)),
        (ZAL, ("legacy-1.1", "zorgaanbiederslijst.xml")),
        (GNL, ("gegevensdienstnamenlijst.xml",)),
    ],
)
def test_the_published_examples_are_read(kind: ListKind, path: tuple[str, ...]) -> None:
    """Section 5.1, comments and schema locations included."""
    assert len(parse(kind, shared("spec", "lists", *path).read_bytes())) >= 3


@pytest.mark.parametrize("kind", list(ListKind))
def test_the_lists_of_the_demo_are_read(kind: ListKind) -> None:
    folder = Path(__file__).resolve().parents[3] / "workbench" / "demo" / "lists"
    data = (folder / kind.short_name).read_bytes()
    assert parse(kind, data).heading.number == 1
    assert b"<!--" not in data.split(b"<Tijdstempel>")[1], "LIST-13: no comment between entries of our own lists"


def test_comments_and_processing_instructions_never_cut_a_value() -> None:
    """LIST-12, LIST-13: a comment inside a host name must not leave us with half of it."""
    data = docs.whitelist(["medmij.<!-- x -->zandoord<?y z?>.example"])
    assert list(parse(WHL, data)) == ["medmij.zandoord.example"]


def test_blanks_around_a_value_do_not_count() -> None:
    assert list(parse(WHL, docs.whitelist(["\n        medmij.zandoord.example\n    "]))) == ["medmij.zandoord.example"]


def test_a_byte_order_mark_is_no_fault() -> None:
    assert len(parse(WHL, b"\xef\xbb\xbf" + docs.whitelist())) == 3


def test_a_list_cannot_be_changed() -> None:
    """LIST-10 rests on this."""
    found = read_providers(docs.providers())
    with pytest.raises(TypeError):
        found.entries["x@medmij"] = found["ziekenhuiszandoord@medmij"]  # type: ignore[index]
    with pytest.raises(TypeError):
        found["ziekenhuiszandoord@medmij"].interfaces["3"] = {}  # type: ignore[index]
    with pytest.raises(AttributeError):
        found.heading = found.heading  # type: ignore[misc]


# --- what is refused -----------------------------------------------------------------------------------------------

BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
UNSAFE = {
    "doctype": docs.whitelist(before="<!DOCTYPE Whitelist>"),
    "doctype with external id": docs.whitelist(before='<!DOCTYPE Whitelist SYSTEM "file:///etc/hostname">'),
    "external entity": docs.whitelist(
        ["&x;"], before='<!DOCTYPE Whitelist [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    ),
    "entity bomb": docs.whitelist(["&a9;"], before=f'<!DOCTYPE Whitelist [<!ENTITY a0 "ha">{BOMB}]>'),
    "parameter entity": docs.whitelist(before='<!DOCTYPE Whitelist [<!ENTITY % p SYSTEM "http://127.0.0.1/p">%p;]>'),
    "utf-16 with doctype": docs.whitelist(before="<!DOCTYPE Whitelist>").decode().encode("utf-16"),
    "utf-7": docs.whitelist().replace(b"UTF-8", b"UTF-7").replace(b"medmij.", b"+AG0-edmij."),
    "nothing": b"",
    "not xml": b"PK\x03\x04",
    "cut off": docs.whitelist()[:-30],
    "nul byte": docs.whitelist().replace(b"medmij.", b"med\x00mij."),
    "unknown entity": docs.whitelist(["&nbsp;"]),
    "two roots": docs.whitelist() + b"<Whitelist/>",
    "undeclared prefix": b"<x:Whitelist/>",
    "very deep": docs.whitelist(["<a>" * 5000]),
}


@pytest.mark.parametrize("data", UNSAFE.values(), ids=UNSAFE.keys())
def test_unsafe_or_broken_xml_is_refused(data: bytes) -> None:
    """LIST-12, CT-99."""
    with pytest.raises(ListError):
        parse(WHL, data)


WRONG: dict[str, tuple[ListKind, bytes]] = {
    "empty whitelist": (WHL, docs.whitelist([])),
    "a host twice": (WHL, docs.whitelist([docs.PGO, docs.PGO])),
    "host in upper case": (WHL, docs.whitelist(["Medmij.zandoord.example"])),
    "host with port": (WHL, docs.whitelist(["medmij.zandoord.example:443"])),
    "host with trailing dot": (WHL, docs.whitelist(["medmij.zandoord.example."])),
    "host without dot": (WHL, docs.whitelist(["localhost"])),
    "host with wildcard": (WHL, docs.whitelist(["*.zandoord.example"])),
    "host beginning with a hyphen": (WHL, docs.whitelist(["-a.example"])),
    "host of 254 characters": (WHL, docs.whitelist(["a" * 246 + ".example"])),
    "host with a letter beyond ascii": (WHL, docs.whitelist(["zandoörd.example"])),
    "no time zone": (WHL, docs.whitelist(stamp="2026-11-20T06:15:00")),
    "no such day": (WHL, docs.whitelist(stamp="2026-02-30T06:15:00Z")),
    "the year zero": (WHL, docs.whitelist(stamp="0000-01-01T06:15:00Z")),
    "a moment before all years": (WHL, docs.whitelist(stamp="0001-01-01T00:00:00+14:00")),
    "hour 24": (WHL, docs.whitelist(stamp="2026-11-20T24:00:00Z")),
    "number zero": (WHL, docs.whitelist(number="0")),
    "negative number": (WHL, docs.whitelist(number="-4")),
    "number of 400 digits": (WHL, docs.whitelist(number="9" * 400)),
    "number in other digits": (WHL, docs.whitelist(number="٧")),
    "unknown release": (WHL, docs.whitelist(release=9)),
    "another list": (WHL, docs.clients()),
    "no namespace": (WHL, docs.whitelist().replace(b' xmlns="', b' lang="')),
    "a foreign namespace": (WHL, docs.whitelist().replace(b"afsprakenstelsel.medmij.nl", b"evil.example")),
    "unknown element": (WHL, docs.whitelist().replace(b"</MedMijNodes>", b"<Extra/></MedMijNodes>")),
    "attribute": (WHL, docs.whitelist().replace(b"<MedMijNode>", b'<MedMijNode id="1">', 1)),
    "xsi:type": (
        WHL,
        docs.whitelist().replace(
            b"<Volgnummer>",
            b'<Volgnummer xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            b'xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="xs:string">',
        ),
    ),
    "xsi:type that the schema would allow": (
        WHL,
        docs.whitelist().replace(
            b"<Tijdstempel>",
            b'<Tijdstempel xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Timestamp">',
        ),
    ),
    "schema location below the root": (
        WHL,
        docs.whitelist().replace(
            b"<MedMijNodes>",
            b'<MedMijNodes xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x x.xsd">',
        ),
    ),
    "a client twice": (OCL, docs.clients([docs.client(), docs.client()])),
    "a service twice for a client": (OCL, docs.clients([docs.client(services=["48", "48"])])),
    "organisation name of 2 characters": (OCL, docs.clients([docs.client(name="AB")])),
    "organisation name of 51 characters": (OCL, docs.clients([docs.client(name="A" * 51)])),
    "service id of 31 characters": (OCL, docs.clients([docs.client(services=["4" * 31])])),
    "a provider twice": (ZAL, docs.providers([docs.provider(), docs.provider()])),
    "a service twice in an interface": (
        ZAL,
        docs.providers([docs.provider("aa@medmij", docs.service("48"), docs.service("48"))]),
    ),
    "a system role twice": (
        ZAL,
        docs.providers(
            [
                docs.provider(
                    "aa@medmij", docs.service(roles=[("R", "https://a.example/1"), ("R", "https://a.example/2")])
                )
            ]
        ),
    ),
    "no system role": (ZAL, docs.providers([docs.provider("aa@medmij", docs.service(roles=[]))])),
    "front channel with port": (
        ZAL,
        docs.providers([docs.provider("aa@medmij", docs.service(front="https://a.example:8443/authorize"))]),
    ),
    "front channel with query": (
        ZAL,
        docs.providers([docs.provider("aa@medmij", docs.service(front="https://a.example/authorize?x=1"))]),
    ),
    "plain http": (ZAL, docs.providers([docs.provider("aa@medmij", docs.service(token="http://a.example/token"))])),
    "user info": (ZAL, docs.providers([docs.provider("aa@medmij", docs.service(token="https://b@a.example/token"))])),
    "provider name with five digits": (ZAL, docs.providers([docs.provider("zorg12345@medmij")])),
    "provider name beginning with a digit": (ZAL, docs.providers([docs.provider("1zorg@medmij")])),
    "provider name with two hyphens": (ZAL, docs.providers([docs.provider("zorg--huis@medmij")])),
    "provider name in upper case": (ZAL, docs.providers([docs.provider("Zorg@medmij")])),
    "provider name without suffix": (ZAL, docs.providers([docs.provider("zorghuis")])),
    "1.1 name with a digit": (ZAL, docs.providers([docs.provider11("zorghuis1@medmij")], release=2)),
    "1.1 name of 9 characters": (ZAL, docs.providers([docs.provider11("ab@medmij")], release=2)),
    "the current shape in 1.1": (ZAL, docs.providers([docs.provider()], release=2)),
    "the shape of 1.1 in the current release": (ZAL, docs.providers([docs.provider11()])),
    "a service twice on the list of names": (GNL, docs.names([("48", "Een naam"), ("48", "Andere naam")])),
    "display name of 51 characters": (GNL, docs.names([("48", "N" * 51)])),
}


@pytest.mark.parametrize(("kind", "data"), WRONG.values(), ids=WRONG.keys())
def test_a_list_against_its_schema_or_without_sense_is_refused(kind: ListKind, data: bytes) -> None:
    """TLS-12, LIST-05, LIST-08, LIST-09, LIST-12, LIST-14, CT-99."""
    with pytest.raises(ListError) as caught:
        parse(kind, data)
    assert len(caught.value.text) < 300


@pytest.mark.parametrize(
    "name", ["a@medmij", "huis-en-zorg@medmij", "a&amp;b.c@medmij", "zorg1234huis12@medmij", "x9@medmij"]
)
def test_provider_names_of_the_rules_are_read(name: str) -> None:
    """LIST-14."""
    assert list(read_providers(docs.providers([docs.provider(name)]))) == [name.replace("&amp;", "&")]


LIST_14 = re.compile(r"^(?!.*[0-9]{5})[a-z][a-z0-9]*([-&.][a-z][a-z0-9]*)*@medmij$")


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab19-.&", min_size=1, max_size=16))
def test_the_schema_and_the_expression_of_the_rules_agree_on_provider_names(name: str) -> None:
    """LIST-14: the schema splits the expression in two, since XML Schema knows no look-ahead."""
    data = docs.providers([docs.provider(name.replace("&", "&amp;") + "@medmij")])
    if LIST_14.match(name + "@medmij"):
        assert list(read_providers(data)) == [name + "@medmij"]
    else:
        with pytest.raises(ListError):
            parse(ZAL, data)


def test_a_list_above_its_size_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """LIST-12. The limit is lowered: the rule is the same for 10 MB and 100 MB."""
    monkeypatch.setitem(parse_module.SIZE_LIMITS, WHL, 2_000)
    assert parse(WHL, docs.whitelist())
    with pytest.raises(ListError, match="larger"):
        parse(WHL, docs.whitelist() + b" " * 2_000)


@pytest.fixture
def schema_server() -> Iterator[tuple[str, list[str]]]:
    """A server that would hand out a schema, and notes who asks."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_schema_location_is_never_followed(schema_server: tuple[str, list[str]]) -> None:
    """LIST-07, LIST-12: no network access, not even by way of the schema."""
    url, asked = schema_server
    location = (
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x {url}/a.xsd '
        f'{docs.NS}/whitelist/release2/ {url}/b.xsd"'
    )
    data = docs.whitelist().replace(b"<Whitelist ", f"<Whitelist {location} ".encode())
    assert len(parse(WHL, data)) == 3
    assert asked == []


def test_hostile_values_do_not_keep_the_schema_busy() -> None:
    """The patterns are free of ambiguity: 60,000 characters take less than a second."""
    with work_below(6):
        for value in ("a-" * 30_000, "a." * 30_000, "a" * 60_000 + "!"):
            with pytest.raises(ListError):
                parse(WHL, docs.whitelist([value]))
            with pytest.raises(ListError):
                parse(ZAL, docs.providers([docs.provider(value + "@medmij")]))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ListKind), st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_but_the_parsers_own_error(kind: ListKind, data: bytes) -> None:
    """LIST-12."""
    with pytest.raises(ListError):
        parse(kind, data)


WHOLE = {WHL: docs.whitelist(), OCL: docs.clients(), ZAL: docs.providers(), GNL: docs.names()}


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(ListKind), st.data())
def test_damaged_lists_are_read_or_refused_but_never_crash(kind: ListKind, data: st.DataObject) -> None:
    """LIST-12: a piece of a valid list is replaced by other bytes or by a piece of another list."""
    whole = WHOLE[kind]
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(len(whole), start + 60)))
    pieces = [
        b"<!DOCTYPE a>",
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"&#0;",
        b"&amp;",
        b"xsi:nil='1'",
        b"</",
        b"\xff",
        b"\xc3\xa9",
    ]
    patch = data.draw(st.one_of(st.binary(max_size=20), st.sampled_from(pieces)))
    try:
        found = parse(kind, whole[:start] + patch + whole[stop:])
    except ListError:
        return
    assert found.kind is kind
    assert found.heading.number > 0
    assert isinstance(found, HostWhitelist | OAuthClientList | ProviderList | ServiceNameList)
