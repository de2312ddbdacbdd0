"""A terminology service by URL: the last source that validation asks about a code.

It is asked with ``ValueSet/$validate-code`` (FHIR R4 4.9.17.2, the same in STU3). Answers are kept; a service that
is slow or fails is left alone for a while, so that validation never waits long: an answer that does not come is "not
checkable". Only a value set, a system and a code leave the gateway, never anything about a person.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import httpx
import msgspec

KEPT: Final = 50_000
TIMEOUT: Final = 2.0
PATIENCE: Final = 3
PAUSE: Final = 60.0


class TerminologyService:
    """Asks a service whether a code is in a value set; fits `profiles.validation.Validator` as its ``server``."""

    def __init__(self, client: httpx.Client, clock: Callable[[], float] = time.monotonic) -> None:
        """``client`` has the base URL of the service and the longest wait."""
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, str, str], bool] = OrderedDict()
        self._failures = 0
        self._resume = 0.0

    @classmethod
    def at(cls, url: str, timeout: float = TIMEOUT) -> "TerminologyService":
        """The service at a base URL."""
        return cls(httpx.Client(base_url=url.rstrip("/") + "/", timeout=timeout, follow_redirects=False))

    def __call__(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether the code is in the value set; None when the service did not tell."""
        question = (value_set, system, code)
        with self._lock:
            if question in self._answers:
                self._answers.move_to_end(question)
                return self._answers[question]
            if self._clock() < self._resume:
                return None
        answer = self._ask(value_set, system, code)
        with self._lock:
            self._note(question, answer)
        return answer

    def _ask(self, value_set: str, system: str, code: str) -> bool | None:
        wanted = {"url": value_set, "system": system, "code": code, "_format": "json"}
        try:
            response = self._client.get("ValueSet/$validate-code", params=wanted)
            found = msgspec.json.decode(response.content) if response.status_code == httpx.codes.OK else None
        except (httpx.HTTPError, msgspec.DecodeError):
            return None
        rows = found.get("parameter") if isinstance(found, dict) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("name") == "result" and isinstance(row.get("valueBoolean"), bool):
                return bool(row["valueBoolean"])
        return None

    def _note(self, question: tuple[str, str, str], answer: bool | None) -> None:
        if answer is None:
            self._failures += 1
            if self._failures >= PATIENCE:
                self._failures = 0
                self._resume = self._clock() + PAUSE
            return
        self._failures = 0
        self._answers[question] = answer
        while len(self._answers) > KEPT:
            self._answers.popitem(last=False)
