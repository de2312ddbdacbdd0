"""Plots as SVG without script or style: a trend over time, and where one result stands against what is normal.

Every number of a plot stands in a table or in its own title too: a plot adds an overview, and is never the only place.
"""

from decimal import Decimal

from markupsafe import Markup

from gateway.dossier.moments import day_in
from gateway.dossier.readings import NormalRange, Reading, Trend
from gateway.dossier.speech import said
from gateway.dossier.words import decimal_text, moment

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 40, 308, 12, 122
_MARKS = ("dot", "square")


def trend_plot(trend: Trend) -> Markup:
    """The lines of a trend, with the normal range behind them."""
    every = trend.readings
    low, high = _bounds(trend)
    days = [day.toordinal() if (day := day_in(one.moment)) else 0 for one in every]
    first, last = min(days), max(days)

    def x(one: Reading) -> float:
        day = day_in(one.moment)
        return round(LEFT + (RIGHT - LEFT) * ((day.toordinal() if day else first) - first) / max(1, last - first), 1)

    def y(number: Decimal) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * float((number - low) / (high - low)), 1)

    normal = trend.normal
    parts = []
    if normal is not None:
        top = TOP if normal.high is None else y(normal.high)
        parts.append(_band(top, BOTTOM if normal.low is None else y(normal.low)))
    for number in (low, high):
        parts.append(Markup('<line class="grid" x1="{0}" y1="{1}" x2="{2}" y2="{1}"/>').format(LEFT, y(number), RIGHT))
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(
                LEFT - 5, y(number) + 4, decimal_text(f"{number:f}")
            )
        )
    for place, line in enumerate(trend.lines.values()):
        points = " ".join(f"{x(one)},{y(one.number)}" for one in line)
        parts.append(Markup('<polyline class="line line-{}" points="{}"/>').format(place % 2, points))
        parts += [_mark(place, x(one), y(one.number)) for one in line]
    for one, anchor in ((every[0], "start"), (every[-1], "end")):
        edge = LEFT if anchor == "start" else RIGHT
        said = moment(one.moment[:10])
        parts.append(Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(edge, HEIGHT - 8, anchor, said))
    return _figure(trend_title(trend), WIDTH, HEIGHT, "trend", parts)


def trend_title(trend: Trend) -> str:
    """What a plot shows, in a sentence: for who hears the page."""
    told = []
    for name, line in trend.lines.items():
        first, last = line[0], line[-1]
        line_told = said(
            "trend_line",
            first=decimal_text(f"{first.number:f}"),
            first_day=moment(first.moment[:10]),
            last=decimal_text(f"{last.number:f}"),
            last_day=moment(last.moment[:10]),
        )
        told.append(f"{name + ': ' if name else ''}{line_told}")
    many = len(trend.readings)
    count = said("readings_one" if many == 1 else "readings_more", count=many)
    return said("trend", what=trend.what, count=count, unit=trend.unit or said("numbers"), lines="; ".join(told))


def range_plot(number: Decimal, normal: NormalRange, text: str) -> Markup:
    """One result on a bar; the middle of the bar is what is normal."""
    width, height, start, end = 120, 16, 35, 85
    low, high = normal.low, normal.high
    if low is not None and high is not None and high > low:
        share = float((number - low) / (high - low))
    elif high is not None:
        share = 0.5 if number <= high else 1.4
    else:
        share = 0.5 if low is not None and number >= low else -0.4
    place = round(max(4.0, min(width - 4.0, start + (end - start) * share)), 1)
    where = "below" if place < start else "above" if place > end else "normal"
    parts = [
        Markup('<rect class="track" x="0" y="6" width="{}" height="4" rx="2"/>').format(width),
        Markup('<rect class="band" x="{}" y="3" width="{}" height="10" rx="2"/>').format(start, end - start),
        Markup('<circle class="{}" cx="{}" cy="8" r="4"/>').format("here" if where == "normal" else "here out", place),
    ]
    return _figure(f"{text}: {said(where)}", width, height, "range", parts)


def _bounds(trend: Trend) -> tuple[Decimal, Decimal]:
    numbers = [one.number for one in trend.readings]
    if trend.normal is not None:
        numbers += [one for one in (trend.normal.low, trend.normal.high) if one is not None]
    low, high = min(numbers), max(numbers)
    return (low, high) if high > low else (low - 1, high + 1)


def _band(top: float, bottom: float) -> Markup:
    return Markup('<rect class="band" x="{}" y="{}" width="{}" height="{}"/>').format(
        LEFT, top, RIGHT - LEFT, round(bottom - top, 1)
    )


def _mark(place: int, x: float, y: float) -> Markup:
    if _MARKS[place % 2] == "dot":
        return Markup('<circle class="dot" cx="{}" cy="{}" r="3.5"/>').format(x, y)
    return Markup('<rect class="dot square" x="{}" y="{}" width="6" height="6"/>').format(
        round(x - 3, 1), round(y - 3, 1)
    )


def _figure(title: str, width: int, height: int, kind: str, parts: list[Markup]) -> Markup:
    head = Markup('<svg class="{}" role="img" viewBox="0 0 {} {}"><title>{}</title>').format(kind, width, height, title)
    return head + Markup("").join(parts) + Markup("</svg>")
