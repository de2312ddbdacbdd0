"""What was asked, understood once: PGOs send the same few requests again and again, only the person differs.

What a request means (its format, its row of the standard, its compiled search, the self link of its answer) depends on
its address and its Accept header alone, so it is kept. Requests that name a person are not kept.
"""

from dataclasses import dataclass
from functools import cached_property

from gateway.http.address import Address
from gateway.http.exchange import Exchange
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.interactions import FhirRequest, Route
from profiles.fhir.search.search import write_query
from profiles.standards.admit import Admitted

Key = tuple[str, str, str, str, str | None, str]
"""FHIR base (provider and service), method, path behind it, query as it came, Accept."""

MOST, LONGEST = 1_024, 2_048
"""Requests that are kept, and the longest query of one."""


@dataclass(frozen=True)
class Question:
    """A request that a row of the standard allows."""

    format: Format
    route: Route
    request: FhirRequest
    admitted: Admitted

    @cached_property
    def link(self) -> str:
        """The self link of a searchset: as asked, without what identifies a person."""
        request, query = self.request, write_query(self.admitted.query)
        path = f"{request.base}/{request.type}" + (f"/${request.operation}" if request.operation else "")
        return f"{path}?{query}" if query else path


def key_of(exchange: Exchange, address: Address) -> Key:
    """All that the meaning of a request depends on."""
    return address.base, exchange.method, address.rest, exchange.query, exchange.header(b"accept"), _standard(address)


def _standard(address: Address) -> str:
    # One address may lead to another version of a service tomorrow.
    return address.standard.id if address.standard else ""


class AskedQuestions:
    """The questions of a process, bounded: when it is full it starts anew."""

    def __init__(self) -> None:
        self._known: dict[Key, Question] = {}

    def get(self, key: Key) -> Question | None:
        """The question behind a request that was allowed before."""
        return self._known.get(key)

    def keep(self, key: Key, question: Question) -> None:
        """Keep a search that names nobody. Reads are not kept: each has an id of its own."""
        if question.admitted.search is None or question.admitted.person is not None or len(key[3]) > LONGEST:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = question
