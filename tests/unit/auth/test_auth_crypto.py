"""Pseudonyms, seals and their keys (IDN-07)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.crypto import KeyRing, Pseudonyms, SealError, valid_bsn

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_for_its_purpose_only(plain: bytes) -> None:
    """A sealed session is no citizen number, and two seals of one value differ."""
    ring = KeyRing("old", {"old": OLD})
    sealed = ring.seal("bsn", plain)
    assert ring.open("bsn", sealed) == plain
    assert ring.seal("bsn", plain) != sealed
    with pytest.raises(SealError):
        ring.open("session", sealed)


def test_keys_rotate() -> None:
    """A new key seals, the old one still opens; without it, nothing does."""
    sealed = KeyRing("old", {"old": OLD}).seal("bsn", b"999")
    both = KeyRing("new", {"old": OLD, "new": NEW})
    assert both.open("bsn", sealed) == b"999"
    assert (both.key_of(sealed), both.key_of(both.seal("bsn", b"x")), both.current) == ("old", "new", "new")
    for ring in (KeyRing("new", {"new": NEW}), KeyRing("old", {"old": NEW})):
        with pytest.raises(SealError):
            ring.open("bsn", sealed)
    with pytest.raises(ValueError, match="not on the ring"):
        KeyRing("missing", {"old": OLD})


@given(st.binary(max_size=80), st.integers(0, 79))
def test_damage_is_noticed(noise: bytes, place: int) -> None:
    """Any bytes that were not sealed here, and any seal with one byte changed."""
    ring = KeyRing("k", {"k": OLD})
    sealed = bytearray(ring.seal("bsn", b"999990019"))
    sealed[place % len(sealed)] ^= 1
    for text in (noise, bytes(sealed)):
        with pytest.raises(SealError):
            ring.open("bsn", text)


def test_pseudonyms_are_stable_and_keyed() -> None:
    """The same person under the same key; nothing of the number in it."""
    one, other = Pseudonyms(OLD), Pseudonyms(NEW)
    assert one.of("999990019") == one.of("999990019") != other.of("999990019")
    assert "999990019" not in one.of("999990019")
    assert len(one.of("999990019")) == 64


@pytest.mark.parametrize(
    ("text", "valid"),
    [("999990019", True), ("999990018", False), ("000000000", False), ("99999001", False), ("", False),
     ("９９９９９００１９", False), ("999990019 ", False)],
)  # fmt: skip
def test_the_eleven_test(text: str, valid: bool) -> None:
    """IDN-07: nine ASCII digits that pass."""
    assert valid_bsn(text) is valid
