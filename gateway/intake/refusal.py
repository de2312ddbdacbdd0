"""Why something that was sent is not taken in."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from profiles.fhir.outcome import Issue


@dataclass
class Refusal(Exception):
    """The answer to a request, or to one entry of a batch, that is not carried out. Nothing of it is stored."""

    status: int
    issues: Sequence[Issue]
    headers: dict[str, str] = field(default_factory=dict)
    held: tuple[int, ...] = ()
    """Numbers of the quarantine items in which it is kept."""


def refusal(status: int, code: str, text: str, expression: str | None = None) -> Refusal:
    """A refusal with one issue."""
    return Refusal(status, (Issue("error", code, text, expression=expression),))
