"""The functions that are borrowed from the library as they are: on plain values, without types or scope."""

from fhirpathpy.engine import util
from fhirpathpy.engine.invocations import invocation_registry

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.state import Evaluate, Items, Scope
from profiles.fhirpath.values import plain, with_values

_BORROWED = frozenset({
    "allTrue", "anyTrue", "allFalse", "anyFalse", "substring", "toChars", "join", "encode", "decode", "abs", "ceiling",
    "exp", "floor", "ln", "log", "round", "sqrt", "truncate", "toInteger", "toBoolean", "toDecimal", "toDate",
    "toDateTime", "toTime", "convertsToBoolean", "convertsToInteger", "convertsToDecimal", "convertsToString",
    "convertsToDate", "convertsToDateTime", "convertsToTime", "avg", "sum", "min", "max",
})  # fmt: skip


def borrowed(name: str, args: list[Evaluate]) -> Evaluate:
    """A function of the library on plain values; FhirPathError for a function that is not borrowed."""
    if name not in _BORROWED:
        raise FhirPathError(f"FHIRPath: the function {name}() is not supported")
    entry = invocation_registry[name]
    arities = entry.get("arity", {0: []})
    if len(args) not in arities:
        raise FhirPathError(f"FHIRPath: {name}() does not take {len(args)} arguments")
    function = entry["fn"]

    def call(scope: Scope, focus: Items) -> Items:
        values = [plain(item) for item in with_values(focus)]
        if not values and entry.get("nullable_input"):
            return []
        params = []
        for arg in args:
            given = [plain(item) for item in with_values(arg(scope, scope.this))]
            if len(given) != 1:
                return []
            params.append(given[0])
        result = function({}, values, *params)
        return [] if result is None else list(util.arraify(result))

    return call
