"""Plots as SVG, drawn here: readable without colour, in print and by a screen reader; the numbers stand beside them.

Every text is given the room that it needs at the size in which it is drawn, and a long name goes on in a next line: no
text is cut off, lies over another one, or leaves the picture.
"""

import textwrap
from collections.abc import Sequence
from html import escape

WIDTH = 680
SIZE, LINE = 13, 16
"""Size of the letters and height of a line, in units of the picture: they grow and shrink with it."""
GLYPH = 7.8
"""Room for a letter: the mean of wide system fonts at this size, rounded up."""
NAME = 34
"""Most letters in a line of a name."""


def bars(title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars from 0 to 100: label, percentage, and the text at the end of the bar."""
    names = [_lines(label) for label, _, _ in rows]
    left = 16 + round(GLYPH * max((len(line) for name in names for line in name), default=0))
    span = max(120, WIDTH - left - 12 - round(GLYPH * max((len(text) for *_, text in rows), default=0)))
    parts, top = [], 4
    for name, (_, percent, text) in zip(names, rows, strict=True):
        high = max(LINE + 8, LINE * len(name) + 8)
        middle = top + high / 2
        first = middle - LINE * (len(name) - 1) / 2 + 4.5
        parts += [
            f'<text class="name" x="{left - 8}" y="{first + LINE * index}" text-anchor="end">{escape(line)}</text>'
            for index, line in enumerate(name)
        ]
        parts.append(f'<rect class="track" x="{left}" y="{middle - 8}" width="{span}" height="16"/>')
        long = round(span * min(100.0, max(0.0, percent)) / 100, 1)
        parts.append(f'<rect class="bar" x="{left}" y="{middle - 8}" width="{long}" height="16"/>')
        parts.append(f'<text x="{left + span + 6}" y="{middle + 4.5}">{escape(text)}</text>')
        top += high
    wide = left + span + 12 + round(GLYPH * max((len(text) for *_, text in rows), default=0))
    return _figure(title, max(WIDTH, wide), top + 4, parts)


def line(title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """A line from 0 to 100 over the rows in order; the first and last row are named below."""
    height, top, bottom, left, right = 220, 14, 180, 60, WIDTH - 14
    step = (right - left) / max(1, len(rows) - 1)
    points = [
        (round(left + index * step, 1), round(bottom - (bottom - top) * row[1] / 100, 1))
        for index, row in enumerate(rows)
    ]
    parts = []
    for percent in (0, 25, 50, 75, 100):
        y = round(bottom - (bottom - top) * percent / 100, 1)
        parts.append(f'<line class="grid" x1="{left}" y1="{y}" x2="{right}" y2="{y}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{percent}%</text>')
    parts.append(f'<polyline class="line" points="{" ".join(f"{x},{y}" for x, y in points)}"/>')
    parts += [f'<circle class="dot" cx="{x}" cy="{y}" r="3.5"/>' for x, y in points]
    if rows:
        parts.append(f'<text x="{left}" y="{bottom + 22}">{escape(rows[0][0])}</text>')
    if len(rows) > 1:
        parts.append(f'<text x="{right}" y="{bottom + 22}" text-anchor="end">{escape(rows[-1][0])}</text>')
    return _figure(title, WIDTH, height, parts)


def _figure(title: str, width: int, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {width} {height}" font-size="{SIZE}" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _lines(text: str) -> list[str]:
    """A name in lines; a word that is longer than a line is broken."""
    return textwrap.wrap(text, NAME) or [""]
