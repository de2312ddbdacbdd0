"""A QuestionnaireResponse held against its Questionnaire: required, enabled, of the right type, among the options.

STU3 and R4: ``option`` or ``answerOption``, ``enableWhen`` with ``hasAnswer`` or ``operator``; in STU3 the operator and
the behaviour may come as the extensions that R4 was made from. Nothing that is told repeats an answer (DL-C18).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from profiles.fhir.outcome import Issue
from profiles.fhir.tree import Resource

TYPES: Mapping[str, tuple[str, ...]] = {
    "boolean": ("valueBoolean",),
    "decimal": ("valueDecimal", "valueInteger"),
    "integer": ("valueInteger",),
    "date": ("valueDate",),
    "dateTime": ("valueDateTime", "valueDate"),
    "time": ("valueTime",),
    "string": ("valueString",),
    "text": ("valueString",),
    "url": ("valueUri",),
    "choice": ("valueCoding", "valueString", "valueInteger", "valueDate", "valueTime"),
    "open-choice": ("valueCoding", "valueString", "valueInteger", "valueDate", "valueTime"),
    "attachment": ("valueAttachment",),
    "reference": ("valueReference",),
    "quantity": ("valueQuantity",),
}
"""Elements that hold an answer to a question of a type."""
SILENT = ("group", "display")
"""Items that ask nothing."""
DEPTH = 20
EXTENSIONS = "http://hl7.org/fhir/StructureDefinition/"
LOWEST, HIGHEST = f"{EXTENSIONS}minValue", f"{EXTENSIONS}maxValue"
BEHAVIOUR, OPERATOR = "enableBehavior", "enableOperator"


@dataclass(frozen=True, slots=True)
class GivenAnswers:
    """The answers of a response by the link of their question, wherever they stand."""

    by_link: Mapping[str, Sequence[Any]] = field(repr=False)

    @classmethod
    def of(cls, response: Resource) -> "GivenAnswers":
        """Collect them."""
        found: dict[str, list[Any]] = {}
        for item, _ in _items(response):
            found.setdefault(str(item.get("linkId")), []).extend(value for _, value in _values(item))
        return cls(found)


def check(questionnaire: Resource, response: Resource) -> list[Issue]:
    """What is wrong with a response, one issue per question; empty when it may be taken."""
    asked = {str(item.get("linkId")): item for item, _ in _items(questionnaire)}
    issues = []
    for item, depth in _items(response):
        if depth > DEPTH:
            return [_issue("structure", "The answers are nested too deep.", "")]
        link = str(item.get("linkId"))
        question = asked.get(link)
        if question is None:
            issues.append(_issue("value", "This question is not in the questionnaire.", link))
        else:
            issues += _answered(question, item, link)
    issues += _missing(questionnaire, response, GivenAnswers.of(response))
    return issues


def enabled(item: Resource, answers: GivenAnswers) -> bool:
    """Whether a question is put, by what was answered elsewhere."""
    conditions = [one for one in item.get("enableWhen", ()) if isinstance(one, dict)]
    if not conditions:
        return True
    behaviour = item.get("enableBehavior") or _extension(item, BEHAVIOUR) or "any"
    held = [_holds(one, answers) for one in conditions]
    return all(held) if behaviour == "all" else any(held)


def _missing(asking: Resource, answering: Resource, answers: GivenAnswers) -> Iterator[Issue]:
    """The required questions without an answer, where they are put."""
    given: dict[str, list[Resource]] = {}
    for item in _children(answering):
        given.setdefault(str(item.get("linkId")), []).append(item)
    for question in _children(asking):
        link, type_ = str(question.get("linkId")), question.get("type")
        if type_ == "display" or not enabled(question, answers):
            continue
        there = given.get(link, [])
        if question.get("required") is True and not any(_filled(one, type_) for one in there):
            yield _issue("required", "This question must be answered.", link)
        # A group that is not there at all is asked as an empty one: what it requires is missing all the same.
        below = there or ([{}] if type_ == "group" else [])
        for one in below:
            parts = [one, *(part for part in one.get("answer", ()) if isinstance(part, dict))]
            merged = {"item": [item for part in parts for item in _children(part)]}
            yield from _missing(question, merged, answers)


def _filled(item: Resource, type_: object) -> bool:
    return bool(_children(item)) if type_ == "group" else any(True for _ in _values(item))


def _answered(question: Resource, item: Resource, link: str) -> Iterator[Issue]:
    type_, values = str(question.get("type")), list(_values(item))
    if type_ in SILENT:
        if values:
            yield _issue("value", "This is no question, and cannot be answered.", link)
        return
    if len(values) > 1 and question.get("repeats") is not True:
        yield _issue("business-rule", "This question takes one answer.", link)
    options = [one for name in ("option", "answerOption") for one in question.get(name, ()) if isinstance(one, dict)]
    for name, value in values:
        if name not in TYPES.get(type_, ()):
            yield _issue("value", "The answer is not of the type that is asked.", link)
        elif options and not _among(name, value, options, type_):
            yield _issue("code-invalid", "The answer is not one of the options.", link)
        else:
            yield from _bounds(question, name, value, link)


def _among(name: str, value: Any, options: Sequence[Resource], type_: str) -> bool:
    if type_ == "open-choice" and name == "valueString":
        return True
    return any(name in one and equal(one[name], value) for one in options)


def _bounds(question: Resource, name: str, value: Any, link: str) -> Iterator[Issue]:
    longest = question.get("maxLength")
    if isinstance(value, str) and isinstance(longest, int) and len(value) > longest:
        yield _issue("too-long", "The answer is longer than is allowed.", link)
    for url, sign in ((LOWEST, -1), (HIGHEST, 1)):
        for one in question.get("extension", ()):
            if isinstance(one, dict) and one.get("url") == url and name in one:
                order = compare(value, one[name])
                if order is not None and order * sign > 0:
                    yield _issue("business-rule", "The answer is outside the bounds of the question.", link)


def _holds(condition: Resource, answers: GivenAnswers) -> bool:
    values = answers.by_link.get(str(condition.get("question")), ())
    expected = next(((name, one) for name, one in condition.items() if name.startswith("answer")), None)
    operator = condition.get("operator") or _extension(condition, OPERATOR)
    if "hasAnswer" in condition:
        return bool(values) == (condition["hasAnswer"] is True)
    if operator == "exists":
        return bool(values) == (expected is not None and expected[1] is True)
    if expected is None:
        return False
    if operator == "!=":
        return not any(equal(value, expected[1]) for value in values)
    if operator in (None, "="):
        return any(equal(value, expected[1]) for value in values)
    wanted = {">": (1,), "<": (-1,), ">=": (0, 1), "<=": (0, -1)}.get(str(operator), ())
    return any(compare(value, expected[1]) in wanted for value in values)


def equal(answer: Any, other: Any) -> bool:
    """Whether two answers say the same: of a Coding system and code count, of a Quantity value and unit."""
    if isinstance(answer, dict) and isinstance(other, dict):
        names = ("system", "code") if "code" in other and "value" not in other else ("value", "code", "unit")
        return all(answer.get(name) == other.get(name) for name in names)
    if isinstance(answer, bool) or isinstance(other, bool):
        return answer is other
    return bool(answer == other)


def compare(answer: Any, other: Any) -> int | None:
    """-1, 0 or 1 for two answers that have an order; None for others."""
    if isinstance(answer, dict) and isinstance(other, dict):
        if answer.get("code", answer.get("unit")) != other.get("code", other.get("unit")):
            return None
        answer, other = answer.get("value"), other.get("value")
    if isinstance(answer, int | Decimal) and isinstance(other, int | Decimal):
        return (answer > other) - (answer < other)
    if isinstance(answer, str) and isinstance(other, str):
        first, second = _moment(answer), _moment(other)
        if first is not None and second is not None:
            return (first > second) - (first < second)
    return None


def _moment(text: str) -> date | None:
    """The day of a date or dateTime; None for what is no day."""
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None


def _values(item: Resource) -> Iterator[tuple[str, Any]]:
    for answer in item.get("answer", ()):
        for name, value in answer.items() if isinstance(answer, dict) else ():
            if name.startswith("value"):
                yield name, value


def _children(item: Resource) -> list[Resource]:
    found = item.get("item", ())
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _items(resource: Resource) -> Iterator[tuple[Resource, int]]:
    """Every item with its depth, those below an answer too. Without recursion: the depth is the sender's choice."""
    stack = [(one, 1) for one in reversed(_children(resource))]
    while stack:
        item, depth = stack.pop()
        yield item, depth
        below = _children(item)
        below += [one for answer in item.get("answer", ()) if isinstance(answer, dict) for one in _children(answer)]
        stack += [(one, depth + 1) for one in reversed(below)]


def _extension(element: Resource, name: str) -> str | None:
    for one in element.get("extension", ()):
        if isinstance(one, dict) and str(one.get("url", "")).endswith(f"/{name}"):
            value = one.get("valueCode") or one.get("valueString")
            return str(value) if value else None
    return None


def _issue(code: str, text: str, link: str) -> Issue:
    place = f"QuestionnaireResponse.item.where(linkId='{link[:60]}')" if link else "QuestionnaireResponse.item"
    return Issue("error", code, text, expression=place)
