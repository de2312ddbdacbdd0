"""The ``${...}`` placeholders of scripts and fixtures: variables, dates, random values."""

import calendar
import re
import secrets
import string
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_RANDOM = re.compile(r"(CD|C|D|RANDOM-?)(\d{1,2})")
_UNITS = {"D": 0, "M": 1, "Y": 12}

Lookup = Callable[[str], str | None]


class MissingVariable(ValueError):
    """A placeholder without value. ``given_by_server`` tells whether the server's answer should have held it."""

    def __init__(self, name: str, reason: str, *, given_by_server: bool = False) -> None:
        super().__init__(f"${{{name}}}: {reason}")
        self.name = name
        self.given_by_server = given_by_server


def shifted(day: date, unit: str, amount: int) -> date:
    """A day moved by days, months or years (D, M, Y); a month that is too short gives its last day."""
    months = _UNITS[unit.upper()] * amount
    if not months:
        return day + timedelta(days=amount)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


class Placeholders:
    """Fills in placeholders for one script run, or for the loading of one set.

    ``lookup`` gives the value of a variable by name, None when it is not a variable; ``today`` is ${CURRENTDATE}.
    """

    def __init__(self, today: date, lookup: Lookup) -> None:
        self.today = today
        self._lookup = lookup
        self._named: dict[str, str] = {}

    def fill(self, text: str, escape: Callable[[str], str] = str) -> str:
        """The text with every placeholder filled in; each value goes through ``escape`` first.

        MissingVariable when a placeholder has no value.
        """
        return _PLACEHOLDER.sub(lambda found: escape(self.value(found[1])), text) if "${" in text else text

    def value(self, name: str) -> str:
        """The value of one placeholder, by what stands between its braces."""
        name = name.strip()
        found = self._lookup(name)
        if found is not None:
            return found
        made = self._made(name)
        if made is None:
            raise MissingVariable(name, "there is no such variable")
        return made

    def _made(self, name: str) -> str | None:
        if name == "UUID":
            return str(uuid.uuid4())
        if name.startswith("UUID-"):
            return self._named.setdefault(name, str(uuid.uuid4()))
        if name == "CURRENTDATETIME":
            return datetime.combine(self.today, datetime.now(UTC).time(), UTC).isoformat(timespec="seconds")
        random = _RANDOM.fullmatch(name)
        if random:
            letters = string.ascii_lowercase if random[1] == "C" else string.digits
            return "".join(secrets.choice(letters) for _ in range(int(random[2])))
        parts = [part.strip() for part in name.split(",")]
        if parts[0] == "CURRENTDATE":
            return self._date(self.today, parts[1:])
        if parts[0] == "DATE":
            return self._date(self._base(parts[1] if len(parts) > 1 else ""), parts[2:])
        return None

    def _base(self, name: str) -> date:
        given = self._lookup(name) if name else None
        if given is None:
            return self.today
        try:
            return date.fromisoformat(given[:10])
        except ValueError:
            raise MissingVariable(name, "holds no date") from None

    def _date(self, day: date, parts: list[str]) -> str | None:
        if not parts:
            return day.isoformat()
        if len(parts) != 2 or parts[0].upper() not in _UNITS:
            return None
        try:
            return shifted(day, parts[0], int(parts[1].replace(" ", ""))).isoformat()
        except (ValueError, OverflowError):
            return None
