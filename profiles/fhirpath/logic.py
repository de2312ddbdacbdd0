"""Logic with three values, None for the empty collection (FHIRPath N1, section 6.5)."""


def _or(a: bool | None, b: bool | None) -> bool | None:
    return True if a or b else None if a is None or b is None else False


def _and(a: bool | None, b: bool | None) -> bool | None:
    return False if a is False or b is False else None if a is None or b is None else True


def _xor(a: bool | None, b: bool | None) -> bool | None:
    return None if a is None or b is None else a is not b


def _implies(a: bool | None, b: bool | None) -> bool | None:
    return _or(None if a is None else not a, b)


LOGIC = {"or": _or, "and": _and, "xor": _xor, "implies": _implies}
SETTLED = {"or": (True, True), "and": (False, False), "implies": (False, True)}
"""Operand on the left that settles the answer, and that answer."""
