"""How strict a validation is: what is a matter of policy, not of the standard.

The standard lets a resource hold extensions that nobody here knows, text that looks like markup, and addresses of
examples. The reference validator can be told to refuse each of them, and so can this one.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Strictness:
    """What is an error beyond what the standard calls one; nothing by default."""

    unknown: bool = False
    """Extensions that have no definition here, and profiles that a definition rests on and that are not here."""
    markup: bool = False
    """Text (string, markdown) that holds tags of HTML."""
    examples: bool = False
    """Addresses in domains that are kept for examples."""


LENIENT: Final = Strictness()
