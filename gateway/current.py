"""The request that is being answered, for what goes beside the answer: figures, spans, and the ids on log lines.

It lives in the context of the task, and of the threads that work for it. Nothing in it is about a person.
"""

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

UUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_REQUEST, _CORRELATION = b"medmij-request-id", b"x-correlation-id"


@dataclass(slots=True)
class Current:
    """What is known of it so far. ``route`` is a template, never a path; ``client`` a host name or a source."""

    headers: Iterable[tuple[bytes, bytes]]
    route: str = ""
    provider: str = ""
    service: str = ""
    client: str = ""
    request_id: str = ""
    correlation_id: str = ""
    session_id: str = ""

    def ids(self) -> Mapping[str, str]:
        """The ids that belong on a log line; of the headers only what is a UUID (HDR-04)."""
        if not self.request_id and not self.correlation_id:
            given = {name: value for name, value in self.headers if name in (_REQUEST, _CORRELATION)}
            found = {name: value.decode() for name, value in given.items() if UUID.fullmatch(value)}
            self.request_id, self.correlation_id = found.get(_REQUEST, ""), found.get(_CORRELATION, "")
        ids = {
            "request_id": self.request_id,
            "correlation_id": self.correlation_id,
            "session_id": self.session_id,
        }
        return {name: value for name, value in ids.items() if value}


CURRENT: ContextVar[Current | None] = ContextVar("current request", default=None)
