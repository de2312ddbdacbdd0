"""Regular expressions from definitions and scripts, run so that none can take forever.

They come from outside and Python's engine backtracks. A pattern that could backtrack far, on a text of this length, is
run by `automaton` instead, which cannot; what that does not know (look-around, back references) is refused.
"""

import re
import warnings
from functools import lru_cache
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final, NamedTuple

from profiles.fhirpath.automaton import Automaton, NotRegular
from profiles.fhirpath.errors import FhirPathError

MAX_LENGTH: Final = 2_000
MAX_MATCHED: Final = 20_000
"""The longest text that a pattern is tried on."""
_WORK: Final = 3_000_000
_REPEATS: Final = (constants.MAX_REPEAT, constants.MIN_REPEAT)


class GuardedPattern(NamedTuple):
    """A pattern as Python compiled it; ``nested`` when a repeat or choice is repeated, else how many repeats it has."""

    compiled: re.Pattern[str]
    nested: bool
    repeats: int
    source: str

    def matches(self, text: str) -> bool:
        """Whether the pattern is found anywhere in a text. FhirPathError when it cannot be said in bounded time."""
        _bounded(text)
        if self._quick(len(text)):
            return self.compiled.search(text) is not None
        try:
            return _automaton(self.source).search(text)
        except NotRegular as problem:
            raise FhirPathError(f"FHIRPath: this pattern is not tried on this text: {problem}") from None

    def replaced(self, text: str, substitution: str) -> str:
        """The text with every match replaced; ``$1`` is a group, ``$0`` the match."""
        _bounded(text)
        if not self._quick(len(text)):
            raise FhirPathError("FHIRPath: this pattern is not used to replace in a text of this length")
        return self.compiled.sub(lambda found: _substituted(found, substitution), text)

    def cost(self, length: int) -> int:
        """How many steps a search in a text of this length counts for."""
        return (length + 1) ** (self.repeats + 1) // 100 if self._quick(length) else 20 * length

    def _quick(self, length: int) -> bool:
        return not self.nested and (self.repeats == 0 or (length + 1) ** (self.repeats + 1) <= _WORK)


@lru_cache(maxsize=512)
def guarded(text: str) -> GuardedPattern:
    """A pattern ready to run; FhirPathError when it is no regular expression, or too long a one."""
    if len(text) > MAX_LENGTH:
        raise FhirPathError(f"FHIRPath: a pattern has at most {MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parser.parse(text, re.DOTALL)
            return GuardedPattern(re.compile(text, re.DOTALL), _nested(tree, inside=False), _open_repeats(tree), text)
    except (re.error, RecursionError, OverflowError) as problem:
        raise FhirPathError(f"FHIRPath: not a regular expression: {problem}") from None


@lru_cache(maxsize=128)
def _automaton(text: str) -> Automaton:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Automaton(parser.parse(text, re.DOTALL))


def _bounded(text: str) -> None:
    if len(text) > MAX_MATCHED:
        raise FhirPathError(f"FHIRPath: a text of more than {MAX_MATCHED} characters is not matched")


def _substituted(found: re.Match[str], substitution: str) -> str:
    def group(reference: re.Match[str]) -> str:
        number = int(reference[1])
        return (found[number] or "") if number <= (found.re.groups or 0) else reference[0]

    return re.sub(r"\$(\d)", group, substitution)


def _nested(tree: Any, *, inside: bool) -> bool:
    """Whether a repeat of variable length or an alternative is itself repeated, or a group is referred back to."""
    for operation, argument in tree:
        if operation is constants.GROUPREF or operation is constants.GROUPREF_EXISTS:
            return True
        if operation in _REPEATS:
            low, high, body = argument
            if (inside and low != high) or _nested(body, inside=inside or high > 1):
                return True
        elif (operation is constants.BRANCH and inside) or any(
            _nested(body, inside=inside) for body in _bodies(operation, argument)
        ):
            return True
    return False


def _open_repeats(tree: Any) -> int:
    """How many repeats of variable length may stand behind each other."""
    count = 0
    for operation, argument in tree:
        if operation in _REPEATS:
            low, high, body = argument
            count += (high - low > 10) + _open_repeats(body)
        elif operation is constants.BRANCH:
            count += max((_open_repeats(body) for body in argument[1]), default=0)
        else:
            count += sum(_open_repeats(body) for body in _bodies(operation, argument))
    return count


def _bodies(operation: Any, argument: Any) -> list[Any]:
    if operation is constants.SUBPATTERN:
        return [argument[-1]]
    if operation is constants.BRANCH:
        return list(argument[1])
    if operation in (constants.ASSERT, constants.ASSERT_NOT):
        return [argument[1]]
    return [argument] if operation is constants.ATOMIC_GROUP else []
