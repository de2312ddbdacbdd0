"""Byte ranges of RFC 9110: the model is Python's own slicing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.ranges import Unsatisfiable, applies, asked, tag

SIZES = st.integers(1, 10_000)


@given(SIZES, st.integers(0, 20_000), st.integers(0, 20_000))
def test_a_closed_range_is_that_slice(size: int, first: int, last: int) -> None:
    body = bytes(size)
    header = f"bytes={first}-{last}"
    if last < first:
        assert asked(header, size) is None
    elif first >= size:
        with pytest.raises(Unsatisfiable):
            asked(header, size)
    else:
        found = asked(header, size)
        assert found is not None
        assert len(body[found[0] : found[1]]) == len(body[first : last + 1])
        assert found[0] == first
        assert found[1] <= size


@given(SIZES, st.integers(1, 20_000))
def test_the_last_bytes_and_from_a_byte_on(size: int, count: int) -> None:
    assert asked(f"bytes=-{count}", size) == (max(0, size - count), size)
    if count < size:
        assert asked(f"bytes={count}-", size) == (count, size)


@pytest.mark.parametrize(
    "header", [None, "", "bytes=-", "bytes=a-b", "bytes=0-1,5-6", "pages=1-2", "bytes 0-1", "bytes=١-٢"]
)
def test_what_is_no_single_range_gets_the_whole(header: str | None) -> None:
    assert asked(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_outside_the_content_is_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        asked(header, 100)


@given(st.text(max_size=40), SIZES)
def test_no_header_breaks_the_reader(header: str, size: int) -> None:
    try:
        found = asked(header, size)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found[0] < found[1] <= size


def test_if_range_counts_only_for_this_version() -> None:
    etag = tag(bytes(32))
    assert applies(None, etag)
    assert applies(etag, etag)
    assert not applies('"another"', etag)
    assert not applies("Sun, 22 Nov 2026 10:00:00 GMT", etag)
    assert not applies(f"W/{etag}", etag)
