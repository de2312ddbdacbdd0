"""HL7 times (DT, TM, TS, DTM) as ISO text, with the precision and the zone that were meant."""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_TIME = re.compile(r"(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)?(\d\d)?(\.\d{1,9})?)?([+-]\d{4})?", re.ASCII)
_CLOCK = re.compile(r"(\d\d)(\d\d)?(\d\d)?(\.\d{1,9})?([+-]\d{4})?", re.ASCII)


def moment(text: str, zone: tzinfo) -> str:
    """A year, month or day as it is; else a moment with offset. One without zone is in ``zone``. Raises ValueError.

    The digits of a fraction stay. FHIR cannot say an hour or a minute alone: seconds that were not sent are 00.
    """
    matched = _TIME.fullmatch(text.strip())
    if matched is None:
        raise ValueError("not a time")
    year, month, day, hour, minute, second, fraction, offset = matched.groups()
    if day is None:
        if month is not None and not 1 <= int(month) <= 12:
            raise ValueError("not a time")
        return year if month is None else f"{year}-{month}"
    if hour is None:
        return date(int(year), int(month), int(day)).isoformat()
    naive = datetime(int(year), int(month), int(day), int(hour), int(minute or 0), int(second or 0))  # noqa: DTZ001
    made = naive.replace(tzinfo=fixed(offset) if offset else zone)
    return made.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + (fraction or "") + _offset(made)


def clock(text: str) -> str | None:
    """A time of day as FHIR writes it; None for what FHIR cannot say: a zone, an hour alone. Raises ValueError."""
    matched = _CLOCK.fullmatch(text.strip())
    if matched is None or int(matched[1]) > 23 or int(matched[2] or 0) > 59 or int(matched[3] or 0) > 59:
        raise ValueError("not a time of day")
    hour, minute, second, fraction, offset = matched.groups()
    return None if offset or minute is None else f"{hour}:{minute}:{second or '00'}{fraction or ''}"


def fixed(offset: str) -> tzinfo:
    """The zone of ``+0100``. Raises ValueError."""
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    if minutes == 0:
        return UTC
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def zone_of(sent: str, usual: str) -> tzinfo:
    """The zone of the times of a message that have none: that of MSH-7 (v2.5, 2.15.9.7), else ``usual``.

    A sender who is in the usual zone writes the offset of today in MSH-7 and the clock time of that day elsewhere: when
    the two agree at the moment of sending, the zone with its summer time holds, not the offset of today.
    """
    local = ZoneInfo(usual)
    matched = _TIME.fullmatch(sent.strip())
    if matched is None or matched[8] is None:
        return local
    try:
        told = fixed(matched[8])
        year, month, day, hour, minute = (
            int(part or least) for part, least in zip(matched.groups(), (1, 1, 1, 0, 0), strict=False)
        )
        at = datetime(year, month, day, hour, minute, tzinfo=told)
    except ValueError:
        return local
    return local if at.astimezone(local).utcoffset() == at.utcoffset() else told


def _offset(made: datetime) -> str:
    text = made.strftime("%z")
    return f"{text[:3]}:{text[3:5]}"
