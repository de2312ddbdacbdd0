"""Regular expressions from definitions, refused when they could take forever.

Definitions come from outside; Python's engine backtracks. A pattern with a repeat inside a repeat, or with a back
reference, is not run: the rule that needs it is then not checkable.
"""

import re
import warnings
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MAX_LENGTH = 2_000


def safe_pattern(text: str) -> re.Pattern[str] | None:
    """The compiled pattern, or None when it is not a regular expression or is not safe to run."""
    if len(text) > MAX_LENGTH:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parser.parse(text)
            if _hostile(tree, inside=False):
                return None
            return re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return None


def _hostile(tree: Any, *, inside: bool) -> bool:
    """Whether a repeat of variable length or an alternative is itself repeated, or a group is referred back to."""
    for operation, argument in tree:
        if operation is constants.GROUPREF or operation is constants.GROUPREF_EXISTS:
            return True
        if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            low, high, body = argument
            if (inside and low != high) or _hostile(body, inside=inside or high > 1):
                return True
        elif operation is constants.SUBPATTERN:
            if _hostile(argument[-1], inside=inside):
                return True
        elif operation is constants.BRANCH:
            if inside or any(_hostile(branch, inside=inside) for branch in argument[1]):
                return True
        elif operation in (constants.ASSERT, constants.ASSERT_NOT) and _hostile(argument[1], inside=inside):
            return True
    return False
