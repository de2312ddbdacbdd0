"""Plots: no text is cut, leaves the picture, or lies over another, whatever the names are."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from gateway.report.svg import GLYPH, SIZE, bars

Box = tuple[float, float, float, float]
NAMES = st.text(st.characters(categories=("L", "N", "Zs", "Pd")), min_size=1, max_size=120)
ROWS = st.lists(st.tuples(NAMES, st.floats(0, 100), st.from_regex(r"[0-9]{1,3}% \([0-9]{1,7} van [0-9]{1,7}\)", fullmatch=True)), min_size=1, max_size=25)  # fmt: skip  # noqa: E501


def boxes(svg: str) -> tuple[list[Box], tuple[float, float]]:
    """The room of each text and bar, and the size of the picture."""
    wide, high = map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups())  # type: ignore[union-attr]
    found: list[Box] = []
    for x, y, end, text in re.findall(r'<text[^>]*? x="(\S+)" y="(\S+)"( text-anchor="end")?>([^<]*)<', svg):
        room = GLYPH * len(unescape(text))
        start = float(x) - room if end else float(x)
        found.append((start, float(y) - SIZE * 0.8, start + room, float(y) + SIZE * 0.2))
    for x, y, width, height in re.findall(r'class="track" x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"', svg):
        found.append((float(x), float(y), float(x) + float(width), float(y) + float(height)))
    return found, (wide, high)


@given(ROWS)
def test_no_text_lies_over_another_or_outside(rows: list[tuple[str, float, str]]) -> None:
    svg = bars("Gehaald", rows)
    found, (wide, high) = boxes(svg)
    for left, top, right, bottom in found:
        assert left >= 0
        assert top >= 0
        assert right <= wide
        assert bottom <= high
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            assert apart, (one, other)


def test_a_long_name_is_there_in_full() -> None:
    name = "Laboratoriumuitslagen van de afgelopen veertien maanden, laatste per bepaling"
    shown = bars("Gehaald", [(name, 50, "50% (1 van 2)")])
    assert " ".join(re.findall(r'class="name"[^>]*>([^<]*)<', shown)) == name
