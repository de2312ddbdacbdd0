"""The grammar of scopes, tried with everything (section 8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timing import work_below

from auth.ports import Representation
from auth.scope import Dialect, ScopeError, ScopeKind, granted, is_name, parse, parse_legacy

LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
SEGMENTS = st.tuples(LETTERS, st.integers(0, 9999).map(str), LETTERS).map("".join)
NAMES = st.lists(SEGMENTS, min_size=1, max_size=2).map("-".join)
SERVICES = st.integers(1, 999).map(str)


@given(NAMES, st.lists(SERVICES, min_size=1, max_size=5, unique=True))
def test_what_is_granted_can_be_asked(name: str, services: list[str]) -> None:
    """SCOPE-02, SCOPE-09: a token's scope is a valid request of dialect M for the same services."""
    ask = parse(granted(Dialect.C, name, services))
    assert (ask.kind, ask.dialect, ask.provider, set(ask.services)) == (
        ScopeKind.COMBINATIONS, Dialect.M, name, set(services),
    )  # fmt: skip


@given(NAMES)
def test_a_provider_name_alone_is_dialect_c(name: str) -> None:
    """VER-04, SCOPE-01, REP-01."""
    assert (parse(name).kind, parse(name).provider) == (ScopeKind.PROVIDER, name)
    for kind in Representation:
        assert parse(f"{name} {kind}").representation is kind


@given(NAMES, SERVICES, st.integers(0, 99999))
def test_subscriptions(name: str, service: str, days: int) -> None:
    """SCOPE-04: combined with nothing else."""
    text = f"subscribe~{days}/{name}~{service}"
    ask = parse(text)
    assert (ask.kind, ask.days, ask.services) == (ScopeKind.SUBSCRIBE, days, (service,))
    assert granted(Dialect.C, name, [service], days) == text
    with pytest.raises(ScopeError):
        parse(f"{text} {name}~{service}")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """SCOPE-06: never another exception, and what is read prints back as it was."""
    try:
        ask = parse(text)
    except ScopeError:
        return
    if ask.kind is ScopeKind.COMBINATIONS:
        assert " ".join(f"{ask.provider}~{service}" for service in ask.services) == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "A", "a~", "~48", "a~48 ", " a~48", "a~48  a~49", "a~48 a~48", "a~48 b~49", "a@medmij", "a--b",
     "a-", "-a", "a.", "a12345", "1a", "a~48/x", "a\n", "a\x00", "subscribe~/a~1", "subscribe~1/a", "a onbehalfof x",
     "onbehalfof a", "a ONBEHALFOF", "é", "a" * 58, "x" * 2000],
)  # fmt: skip
def test_scope_05_what_is_refused(text: str) -> None:
    """SCOPE-05."""
    with pytest.raises(ScopeError):
        parse(text)


@pytest.mark.parametrize("name", ["umcgroningen", "huisarts.jansen", "a-b&c.d", "praktijk2go", "zh1234x5678"])
def test_list_14_names(name: str) -> None:
    """LIST-14: segments joined by one hyphen, ampersand or dot; at most four figures in a row."""
    assert is_name(name)


def test_dialect_l_is_one_bare_id() -> None:
    """VER-04, VER-05: the grammars are disjoint."""
    assert parse_legacy("48", "zandoord").services == ("48",)
    for text in ("", "48 49", "zandoord", "zandoord~48", "4" * 31, "48\n"):
        with pytest.raises(ScopeError):
            parse_legacy(text, "zandoord")
    with pytest.raises(ScopeError):
        parse("48")


def test_no_input_is_slow() -> None:
    """Linear time: the longest text that is looked at, made of what makes bad patterns slow."""
    with work_below(1):
        for text in ("a1" * 512, "a-" * 512, "a~1 " * 256, "subscribe~" + "9" * 1000, "a" * 1024, "a1b2-" * 200):
            with pytest.raises(ScopeError):
                parse(text[:1024])
