"""Data flows drawn as SVG: who gives, the gateway, who receives; each box as high as its words need."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SIZE, LINE, PAD, GAP = 13, 17, 9, 16
WIDE, BETWEEN = 250, 70
LETTERS = 30
"""Most letters in a line of a box of this width, at this size."""
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#111}.name{font-weight:700}"
    "rect{fill:#f4f7fb;stroke:#1d5a96;stroke-width:1.5}.us{fill:#e3edf8}"
    "line{stroke:#1d5a96;stroke-width:1.5}polygon{fill:#1d5a96}"
)


@dataclass(frozen=True, slots=True)
class FlowBox:
    """A party, and what goes between it and the gateway."""

    name: str
    what: str

    @property
    def lines(self) -> list[tuple[str, bool]]:
        """The lines of the box, and whether they are its name."""
        wrapped = textwrap.TextWrapper(LETTERS, break_long_words=True)
        return [(one, True) for one in wrapped.wrap(self.name)] + [(one, False) for one in wrapped.wrap(self.what)]

    @property
    def height(self) -> int:
        """How high it is."""
        return 2 * PAD + LINE * len(self.lines)


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A box and where it stands: left, top, width and height."""

    box: FlowBox
    x: int
    y: int
    width: int
    height: int


def placed(left: Sequence[FlowBox], us: FlowBox, right: Sequence[FlowBox]) -> list[PlacedBox]:
    """Three columns: who gives, the gateway as high as the higher of the others, who receives."""
    made = _column(left, 0) + _column(right, 2 * (WIDE + BETWEEN))
    high = max([one.y + one.height for one in made] + [us.height])
    return [*made, PlacedBox(us, WIDE + BETWEEN, 0, WIDE, high)]


def flows_svg(title: str, left: Sequence[FlowBox], us: FlowBox, right: Sequence[FlowBox]) -> str:
    """The picture; the table beside it says the same in words."""
    boxes = placed(left, us, right)
    width, height = 3 * WIDE + 2 * BETWEEN + 2, max(one.y + one.height for one in boxes) + 2
    parts = [_drawn(one, us=one.box is us) for one in boxes]
    parts += [_arrow(one.x + WIDE, one) for one in boxes if one.x == 0]
    parts += [_arrow(one.x - BETWEEN, one) for one in boxes if one.x == 2 * (WIDE + BETWEEN)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 {width} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}"><title>{escape(title)}</title><style>{_STYLE}</style>'
        + "".join(parts) + "</svg>"
    )  # fmt: skip


def _column(boxes: Sequence[FlowBox], x: int) -> list[PlacedBox]:
    made, y = [], 0
    for box in boxes:
        made.append(PlacedBox(box, x, y, WIDE, box.height))
        y += box.height + GAP
    return made


def _drawn(place: PlacedBox, *, us: bool) -> str:
    kind = ' class="us"' if us else ""
    size = f'width="{place.width}" height="{place.height}"'
    drawn = [f'<rect{kind} x="{place.x}" y="{place.y}" {size} rx="5"/>']
    for number, (line, name) in enumerate(place.box.lines, 1):
        bold = ' class="name"' if name else ""
        y = place.y + PAD + LINE * number - 4
        drawn.append(f'<text{bold} x="{place.x + PAD}" y="{y}">{escape(line)}</text>')
    return "".join(drawn)


def _arrow(x: int, one: PlacedBox) -> str:
    y = one.y + one.height // 2
    tip = x + BETWEEN
    return (
        f'<line x1="{x}" y1="{y}" x2="{tip - 8}" y2="{y}"/>'
        f'<polygon points="{tip - 9},{y - 5} {tip},{y} {tip - 9},{y + 5}"/>'
    )
