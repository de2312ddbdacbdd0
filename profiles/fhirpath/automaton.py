"""Regular expressions without backtracking: every way through the pattern is followed at once.

Work is at most the length of the text times the size of the pattern (Thompson's construction), whatever the pattern.
Only whether a text holds a match is told; look-around and back references are not regular and are refused.
"""

import re
import sys
from re import _constants as constants  # type: ignore[attr-defined]
from typing import Any, Final

MAX_STATES: Final = 3_000
_CATEGORIES: Final = {
    constants.CATEGORY_DIGIT: r"\d",
    constants.CATEGORY_NOT_DIGIT: r"\D",
    constants.CATEGORY_SPACE: r"\s",
    constants.CATEGORY_NOT_SPACE: r"\S",
    constants.CATEGORY_WORD: r"\w",
    constants.CATEGORY_NOT_WORD: r"\W",
}
_BEGINS: Final = (constants.AT_BEGINNING, constants.AT_BEGINNING_STRING)
_ENDS: Final = (constants.AT_END, constants.AT_END_STRING)


class NotRegular(Exception):
    """The pattern uses something that an automaton does not know, or is too large for one."""


class Automaton:
    """A pattern (a tree of Python's own regular expression parser) as states with what leads on from each.

    A state is a character test with its target, or free moves to other states, some only at the begin or end of the
    text.
    """

    def __init__(self, tree: Any) -> None:
        self._tests: list[tuple[re.Pattern[str], int] | None] = []
        self._free: list[list[tuple[Any, int]]] = []
        start = self._state()
        self._start = start
        self._end = self._sequence(tree, start)

    def _state(self) -> int:
        if len(self._tests) >= MAX_STATES:
            raise NotRegular("it is too large")
        self._tests.append(None)
        self._free.append([])
        return len(self._tests) - 1

    def _sequence(self, tree: Any, start: int) -> int:
        at = start
        for operation, argument in tree:
            at = self._one(operation, argument, at)
        return at

    def _one(self, operation: Any, argument: Any, start: int) -> int:
        if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            low, high, body = argument
            return self._repeat(low, high, body, start)
        if operation is constants.SUBPATTERN:
            _, added, removed, body = argument
            if added or removed:
                raise NotRegular("flags inside a pattern are not known")
            return self._sequence(body, start)
        end = self._state()
        if operation is constants.BRANCH:
            for body in argument[1]:
                inner = self._state()
                self._free[start].append((None, inner))
                self._free[self._sequence(body, inner)].append((None, end))
        elif operation is constants.AT and argument in (*_BEGINS, *_ENDS):
            self._free[start].append((argument, end))
        else:
            self._free[start].append((None, step := self._state()))
            self._tests[step] = (re.compile(_character(operation, argument), re.DOTALL), end)
        return end

    def _repeat(self, low: int, high: int, body: Any, start: int) -> int:
        at = start
        for _ in range(low):
            at = self._sequence(body, at)
        if high == constants.MAXREPEAT:
            inner, end = self._state(), self._state()
            self._free[at] += [(None, inner), (None, end)]
            self._free[self._sequence(body, inner)] += [(None, inner), (None, end)]
            return end
        end = self._state()
        for _ in range(high - low):
            self._free[at].append((None, end))
            at = self._sequence(body, at)
        self._free[at].append((None, end))
        return end

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        active: set[int] = set()
        for position in range(len(text) + 1):
            active = self._closed({*active, self._start}, position, text)
            if self._end in active:
                return True
            if position < len(text):
                character = text[position]
                steps = (self._tests[state] for state in active)
                active = {one[1] for one in steps if one is not None and one[0].match(character)}
        return False

    def _closed(self, states: set[int], position: int, text: str) -> set[int]:
        """The states, and all that free moves lead to from here."""
        stack = list(states)
        while stack:
            for condition, target in self._free[stack.pop()]:
                if target not in states and _allowed(condition, position, text):
                    states.add(target)
                    stack.append(target)
        return states


def _allowed(condition: Any, position: int, text: str) -> bool:
    if condition is None:
        return True
    if condition in _BEGINS:
        return position == 0
    rest = text[position : position + 2]
    return not rest or (rest == "\n" and condition is constants.AT_END)


def _character(operation: Any, argument: Any) -> str:
    """The pattern for one character that a step of the tree stands for."""
    if operation is constants.ANY:
        return "."
    if operation is constants.LITERAL:
        return re.escape(chr(argument))
    if operation is constants.NOT_LITERAL:
        return f"[^{re.escape(chr(argument))}]"
    if operation is constants.IN:
        return "[" + "".join(_set_part(*one) for one in argument) + "]"
    raise NotRegular("it looks around or back")


def _set_part(operation: Any, argument: Any) -> str:
    if operation is constants.NEGATE:
        return "^"
    if operation is constants.LITERAL:
        return re.escape(chr(argument))
    if operation is constants.RANGE:
        low, high = argument
        return f"{re.escape(chr(low))}-{re.escape(chr(min(high, sys.maxunicode)))}"
    return _CATEGORIES[argument]
