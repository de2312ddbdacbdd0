"""Whether a question of a form is asked: its enableWhen conditions, against the answers that were given.

https://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen: a condition looks at the nearest
question of that name, beside the item or above it.
"""

from collections.abc import Sequence
from typing import Any, Final

from profiles import fhirpath
from profiles.fhirpath.equality import order, same_data
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.items import bare
from profiles.fhirpath.moments import moment
from profiles.validation.context import Context
from profiles.validation.rules.questionnaires import children, items

EXPRESSIONS: Final = (
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression",
    "http://phr.kanta.fi/StructureDefinition/fiphr-ext-questionnaire-enablewhen",
)
"""Extensions by which a question is asked when an expression on the answers is true."""
_ORDERS: Final = {">": (1,), "<": (-1,), ">=": (0, 1), "<=": (-1, 0)}


def value_of(holder: dict[str, Any], prefix: str) -> Any:
    """The value of a choice element, ``valueX`` or ``answerX``; None when there is none."""
    return next((value for key, value in holder.items() if key.startswith(prefix) and key != prefix), None)


def enabled(question: dict[str, Any], scopes: Sequence[dict[str, Any]], answers: Any, context: Context) -> bool | None:
    """Whether a question is asked; None when that cannot be told.

    ``scopes`` are the response and the items of it that hold the question, outermost first; ``answers`` is the
    response.
    """
    told = [_by_expression(text, answers, context) for text in _expressions(question)]
    rows = [row for _, row in children(question, "enableWhen")]
    told_rows = [_holds(row, scopes) for row in rows]
    if rows:
        every = question.get("enableBehavior") == "all"
        told.append(all(told_rows) if every else any(told_rows))
    if False in told:
        return False
    return None if None in told else True


def _expressions(question: dict[str, Any]) -> list[str]:
    texts = []
    for _, row in children(question, "extension"):
        if row.get("url") in EXPRESSIONS:
            value = value_of(row, "value")
            text = value.get("expression") if isinstance(value, dict) else value
            texts.append(text if isinstance(text, str) else "")
    return texts


def _by_expression(text: str, answers: Any, context: Context) -> bool | None:
    try:
        found = [bare(one) for one in fhirpath.compile(text).judge()(answers, context.env)]
    except FhirPathError:
        return None
    return found == [True]


def _holds(condition: dict[str, Any], scopes: Sequence[dict[str, Any]]) -> bool:
    given = _answers(str(condition.get("question")), scopes)
    operator, wanted = condition.get("operator"), value_of(condition, "answer")
    if operator == "exists" or (operator is None and "hasAnswer" in condition):
        return bool(given) is (condition.get("hasAnswer", wanted) is True)
    return any(_meets(one, str(operator or "="), wanted) for one in given)


def _answers(name: str, scopes: Sequence[dict[str, Any]]) -> list[Any]:
    """The answers to the nearest question of this name: in the innermost item that has one below it."""
    for scope in reversed(scopes):
        named = [row for _, row in items(_flat(scope)) if row.get("linkId") == name]
        if named:
            values = [value_of(answer, "value") for row in named for _, answer in children(row, "answer")]
            return [one for one in values if one is not None]
    return []


def _flat(scope: dict[str, Any]) -> dict[str, Any]:
    """An item with the items below its answers among its own."""
    rows = [row for _, row in children(scope)]
    below = [row for _, answer in children(scope, "answer") for _, row in children(answer)]
    return {"item": [{**row, "item": _flat(row)["item"]} for row in (*rows, *below)]}


def _meets(given: Any, operator: str, wanted: Any) -> bool:
    if operator in ("=", "!="):
        return _same(given, wanted) is (operator == "=")
    if isinstance(given, dict) and isinstance(wanted, dict):
        if given.get("code") != wanted.get("code"):
            return False
        given, wanted = given.get("value"), wanted.get("value")
    left, right = ((moment(one) if isinstance(one, str) else None) or one for one in (given, wanted))
    try:
        return order(left, right) in _ORDERS.get(operator, ())
    except FhirPathError:
        return False


def _same(given: Any, wanted: Any) -> bool:
    """Whether an answer is the wanted one; of a code its display does not count."""
    if isinstance(given, dict) and isinstance(wanted, dict) and "code" in wanted:
        return all(same_data(given.get(key), wanted.get(key)) for key in ("system", "code", "value"))
    return same_data(given, wanted)
