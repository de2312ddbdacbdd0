"""Posted forms of the staff pages: small, in plain form encoding, read once."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request

MOST_BYTES = 64_000
MOST_FIELDS = 600
LONGEST = 2_000


class BadForm(ValueError):
    """A form that is too large, or cannot be read."""


class StaffForm:
    """The fields of a form."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = fields

    def one(self, name: str) -> str:
        """The first value of a field, without spaces around it; empty when it is not there."""
        return self._fields.get(name, ("",))[0].strip()[:LONGEST]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field."""
        return tuple(self._fields.get(name, ()))


async def read_form(request: Request) -> StaffForm:
    """The form in a request. Raises BadForm."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise BadForm("too large")
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except (ClientDisconnect, ValueError) as fault:
        raise BadForm("unreadable") from fault
    if any("\0" in value for values in fields.values() for value in values):
        raise BadForm("unreadable")
    return StaffForm(fields)
