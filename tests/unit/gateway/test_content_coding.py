"""A body in a content coding is refused by name where none is taken; it is never read as if it were text."""

import pytest

from gateway.problems import Problem, as_it_is


@pytest.mark.parametrize("coding", [None, "", "identity", " Identity "])
def test_a_body_as_it_is_is_taken(coding: str | None) -> None:
    as_it_is(coding)


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, gzip", "identity, gzip", "deflate"])
def test_a_coded_body_is_refused_and_told_what_is_taken(coding: str) -> None:
    with pytest.raises(Problem) as refused:
        as_it_is(coding)
    assert (refused.value.status, refused.value.code) == (415, "not-supported")
    assert refused.value.headers == {"accept-encoding": "identity"}
