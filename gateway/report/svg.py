"""Plots as SVG, drawn here: readable without colour, in print and by a screen reader; the numbers stand beside them."""

from collections.abc import Sequence
from html import escape

WIDTH = 640
LEFT = 230
ROW = 24


def bars(title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars from 0 to 100: label, percentage, and the text at the end of the bar."""
    height = ROW * len(rows) + 8
    span = WIDTH - LEFT - 130
    parts = []
    for index, (label, percent, text) in enumerate(rows):
        top = 4 + index * ROW
        long = round(span * percent / 100, 1)
        parts.append(
            f'<text class="name" x="{LEFT - 8}" y="{top + 16}" text-anchor="end">{escape(_short(label))}</text>'
        )
        parts.append(f'<rect class="track" x="{LEFT}" y="{top + 3}" width="{span}" height="{ROW - 8}"/>')
        parts.append(f'<rect class="bar" x="{LEFT}" y="{top + 3}" width="{long}" height="{ROW - 8}"/>')
        parts.append(f'<text x="{LEFT + span + 6}" y="{top + 16}">{escape(text)}</text>')
    return _figure(title, height, parts)


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
    return _figure(title, height, parts)


def _figure(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _short(text: str, most: int = 32) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
