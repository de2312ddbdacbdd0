"""What production refuses, in one clear line each; and the texts and tables that must stay complete."""

import base64
import re
from collections.abc import Iterator
from string import Formatter
from typing import Any

import pytest
from pydantic import ValidationError

from auth.errors import REFUSALS
from auth.pages.catalogue import CATALOGUE, choose_language
from auth.ports import AbsenceReason
from auth.settings import AuthSettings
from workbench.idp.provider import CATALOGUE as LOGIN_TEXTS

KEY = base64.b64encode(b"k" * 32).decode()
SAFE: dict[str, Any] = {
    "mode": "production",
    "base_url": "https://medmij.zandoord.example",
    "pseudonym_key": KEY,
    "seal_keys": {"2026": KEY},
    "seal_with": "2026",
    "login": {"issuer": "https://inloggen.example"},
}


def test_production_starts_with_safe_settings() -> None:
    """And without any setting, test mode does."""
    assert AuthSettings(**SAFE).seal_ring()[0] == "2026"
    assert AuthSettings().mode == "test"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_url": "http://medmij.zandoord.example"}, "base_url must be https"),
        ({"login": {"issuer": "http://127.0.0.1:8080/idp"}}, "login.issuer must be https"),
        ({"pseudonym_key": None}, "pseudonym_key must be set"),
        ({"seal_keys": {}, "seal_with": None}, "seal_keys and seal_with must be set"),
        ({"seal_with": "2025"}, "seal_with names a key"),
        ({"secure_cookies": False}, "secure_cookies must be on"),
        ({"client_authentication": "asserted"}, "client_authentication must be mtls"),
        ({"local_redirects": {"a": ["http://a"]}}, "local_redirects must be empty"),
        ({"pseudonym_key": "c2hvcnQ="}, "base64 of exactly 32 bytes"),
        ({"pseudonym_key": "not base64!"}, "base64 of exactly 32 bytes"),
        ({"access_seconds": 901}, "less than or equal to 900"),
        ({"unknown": 1}, "Extra inputs"),
        ({"base_url": "medmij.zandoord.example"}, "must be an http"),
    ],
)
def test_production_refuses(change: dict[str, object], words: str) -> None:
    """DESIGN 6: fake login, plain HTTP, believed clients, default keys; never a key in the message."""
    with pytest.raises(ValidationError, match=words) as refused:
        AuthSettings(**{**SAFE, **change})
    assert KEY not in str(refused.value)


def test_list_17_the_default_follows_the_mode() -> None:
    """LIST-17."""
    assert AuthSettings().allows_missing_services
    assert not AuthSettings(**SAFE).allows_missing_services


def _texts(language: str) -> Iterator[tuple[str, str]]:
    for section, table in [*CATALOGUE[language].items(), *LOGIN_TEXTS[language].items()]:
        for name, text in table.items():
            yield f"{section}.{name}", text


def test_both_languages_say_the_same_things() -> None:
    """UI-03: every key in both, with the same names to fill in."""

    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    dutch, english = dict(_texts("nl")), dict(_texts("en"))
    assert dutch.keys() == english.keys()
    assert {key for key in dutch if names(dutch[key]) != names(english[key])} == set()


def test_every_reason_has_a_text() -> None:
    """Mission context, section 7."""
    assert {str(reason) for reason in AbsenceReason} <= CATALOGUE["nl"]["reason"].keys()


def test_dutch_sentences_are_short() -> None:
    """UI-03: B1 means sentences that can be read in one go."""
    sentences = [(key, part) for key, text in _texts("nl") for part in re.split(r"(?<=[.?!:])\s", text)]
    assert [(key, part) for key, part in sentences if len(part.split()) > 26] == []


@pytest.mark.parametrize(
    ("wanted", "accept", "language"),
    [
        (None, None, "nl"),
        ("en", "nl", "en"),
        ("xx", "en-GB,nl;q=0.5", "en"),
        (None, "fr,de", "nl"),
        (None, "fr,en", "en"),
    ],
)
def test_the_language_of_a_page(wanted: str | None, accept: str | None, language: str) -> None:
    """Dutch first."""
    assert choose_language(wanted, accept) == language


REDIRECT, PAGE, BOTH, JSON = "R", "P", "P then R", "J"
AGREED = {
    # Section 14 of the agreement: channel, status of the answer (a page that is left by a link: of the page), code.
    "ERR-01": (PAGE, 400, None),
    "ERR-02": (PAGE, 400, None),
    "ERR-03": (PAGE, 405, None),
    "ERR-04": (REDIRECT, 302, "invalid_request"),
    "ERR-05": (REDIRECT, 302, "unsupported_response_type"),
    "ERR-06": (REDIRECT, 302, "invalid_request"),
    "ERR-07": (REDIRECT, 302, "invalid_request"),
    "ERR-08": (REDIRECT, 302, "invalid_request"),
    "ERR-09": (REDIRECT, 302, "invalid_scope"),
    "ERR-10": (REDIRECT, 302, "invalid_scope"),
    "ERR-11": (REDIRECT, 302, "access_denied"),
    "ERR-12": (BOTH, 302, "access_denied"),
    "ERR-13": (BOTH, 302, "access_denied"),
    "ERR-14": (BOTH, 302, "access_denied"),
    "ERR-15": (REDIRECT, 302, "access_denied"),
    "ERR-16": (BOTH, 200, "access_denied"),
    "ERR-17": (PAGE, 500, "server_error"),
    "ERR-18": (PAGE, 503, "temporarily_unavailable"),
    "ERR-19": (PAGE, 400, "access_denied"),
    "ERR-20": (JSON, 403, "invalid_client"),
    "ERR-21": (JSON, 401, "invalid_client"),
    "ERR-22": (JSON, 400, "invalid_request"),
    "ERR-23": (JSON, 400, "unsupported_grant_type"),
    "ERR-24": (JSON, 400, "invalid_request"),
    "ERR-25": (JSON, 400, "invalid_grant"),
    "ERR-26": (JSON, 400, "invalid_grant"),
    "ERR-27": (JSON, 400, "invalid_grant"),
    "ERR-28": (JSON, 400, "invalid_scope"),
    "ERR-29": (JSON, 400, "invalid_scope"),
    "ERR-30": (JSON, 405, "invalid_request"),
    "ERR-31a": (JSON, 500, "server_error"),
    "ERR-31b": (JSON, 503, "temporarily_unavailable"),
    "ERR-40": ("F", 401, None),
    "ERR-41": ("F", 400, "invalid_request"),
    "ERR-42": ("F", 401, "invalid_token"),
    "ERR-43": ("F", 403, "insufficient_scope"),
}


@pytest.mark.parametrize("row", AGREED)
def test_err_the_table_is_that_of_the_agreement(row: str) -> None:
    """ERR-01 to ERR-43: channel, status and code of every row."""
    ours = REFUSALS[row]
    assert (ours.channel.value, ours.status, ours.code) == AGREED[row]


def test_err_no_row_is_left_out() -> None:
    """Rows of ours beside those of the agreement are named for what they are."""
    assert {name for name in REFUSALS if name.startswith("ERR-")} == AGREED.keys()


def test_err_90_and_92() -> None:
    """ERR-90: ASCII without quotes or backslash. ERR-92: one description for whatever is about the person."""
    for row in REFUSALS.values():
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", row.description or "")
    assert len({(REFUSALS[f"ERR-{n}"].code, REFUSALS[f"ERR-{n}"].description) for n in range(11, 17)}) == 1
