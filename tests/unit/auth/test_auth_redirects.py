"""Where browsers may be sent: the raw-string rules against every trick we know, and how answers are appended."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.flows.parameters import is_query_safe
from auth.flows.redirects import allowed, answer

CLIENT = "pgo.example"
TRICKS = [
    "", "pgo.example", "//pgo.example/cb", "http://pgo.example/cb", "HTTPS://pgo.example/cb", "https:/pgo.example/cb",
    "https:pgo.example", "https://pgo.example:443/cb", "https://pgo.example:/cb", "https://pgo.example./cb",
    "https://PGO.example/cb", "https://pgo.example@evil.example/", "https://evil.example@pgo.example/",
    "https://pgo.example%40evil.example/", "https://pgo.example\\@evil.example/", "https://pgo.example\\.evil.example",
    "https://evil.example\\pgo.example", "https://pgo.example/cb\\..", "https://pgo.example.evil.example/cb",
    "https://evilpgo.example/cb", "https://pgo%2eexample/cb", "https://pgo.example%2f.evil.example/",
    "https://pgo.example%00.evil.example/", "https://pgo.example\x00.evil.example/", "https://xn--pgo-xyz.example/cb",
    "https://pg\u043e.example/cb", "https://pgo\u3002example/cb", "https://pgo.example/cb#f", "https://pgo.example/cb#",
    "https://pgo.example/cb%0d%0aSet-Cookie:x=1\r\n", "https://pgo.example/cb\r\nSet-Cookie: x=1", "https://pgo.example/\t",
    " https://pgo.example/cb", "https://pgo.example/cb ", "https://pgo.example/a b", "https://pgo.example/%",
    "https://pgo.example/%zz", "https://pgo.example/../x", "https://pgo.example/a/./b", "https://pgo.example/%2e%2E/x",
    "https://pgo.example/.%2e", "https://pgo.example/cb?code=1", "https://pgo.example/cb?a=1&state=2",
    "https://pgo.example/cb?error=x", "https://pgo.example/cb?%63ode=1", "https://pgo.example/cb?iss=x",
    "javascript:alert(1)", "data:text/html,x", "https://[::1]/cb", "https://127.0.0.1/cb", "https://pgo.example?x#y",
    "https://pgo.example/" + "a" * 2000, 'https://pgo.example/"><script>', "https://pgo.example/<",
]  # fmt: skip


@pytest.mark.parametrize("uri", TRICKS)
def test_auth_04_tricks_are_refused(uri: str) -> None:
    """AUTH-04, ERR-02: user-info, backslash, punycode, port, fragment, encoded dot, header injection, our own names."""
    assert not allowed(uri, CLIENT)


@pytest.mark.parametrize(
    "uri",
    ["https://pgo.example", "https://pgo.example/", "https://pgo.example/cb", "https://pgo.example/a/b;c=1/@d:e",
     "https://pgo.example/cb?tenant=1&x=%20", "https://pgo.example/cb?", "https://pgo.example//cb", "https://pgo.example/..."],
)  # fmt: skip
def test_auth_04_ordinary_ones_pass(uri: str) -> None:
    """AUTH-04: a path is free, a query is allowed."""
    assert allowed(uri, CLIENT)


def test_local_redirects_are_exact() -> None:
    """Test mode's exceptions: the very same text, or the ordinary rules."""
    local = ("http://127.0.0.1:8080/demo/cb",)
    assert allowed(local[0], CLIENT, local)
    assert not allowed(local[0] + "/", CLIENT, local)


@given(st.text(max_size=60))
def test_what_passes_leads_to_the_client_in_every_reading(tail: str) -> None:
    """The narrow grammar agrees with a general parser about host, user-info, port and fragment."""
    for uri in (f"https://{CLIENT}{tail}", f"https://{tail}{CLIENT}/", tail):
        if allowed(uri, CLIENT):
            parts = urlsplit(uri)
            assert (parts.scheme, parts.netloc, parts.hostname) == ("https", CLIENT, CLIENT)
            assert not parts.fragment
            assert uri.isascii()
            assert uri.isprintable()


@given(st.text(max_size=40), st.text("abcXYZ019-._~!$'()*+,;:@/?=%", max_size=40))
def test_answers_are_one_line_and_read_back(value: str, raw_state: str) -> None:
    """AUTH-09, header injection: values are encoded, the state is as it was, nothing breaks the header."""
    if not is_query_safe(raw_state):
        return
    for base in ("https://pgo.example/cb", "https://pgo.example/cb?a=b"):
        location = answer(base, [("error", value)], raw_state)
        assert location.isascii()
        assert location.isprintable()
        assert location.startswith(base)
        assert location.endswith(f"state={raw_state}")
        read = dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))
        assert read["error"] == value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


@given(st.binary(max_size=60))
def test_parameters_survive_any_bytes(text: bytes) -> None:
    """Reading ends in parameters or in one typed error."""
    from auth.flows.parameters import ParameterError, Parameters

    try:
        read = Parameters.read(text, 50)
    except ParameterError:
        return
    for item in read:
        assert read.count(item.name) >= 1
        assert (read.find(item.name) is None) == (read.count(item.name) > 1)
