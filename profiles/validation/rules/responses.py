"""Rule: a QuestionnaireResponse answers its Questionnaire: its items, in its order, with answers of its kinds.

https://hl7.org/fhir/R4/questionnaireresponse.html. What the form requires counts from the moment that the response is
completed or amended. A form that is not here cannot be held against.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from profiles.fhirpath.equality import same_data
from profiles.validation.context import Context
from profiles.validation.hits import Hits
from profiles.validation.rules.conditions import enabled, value_of
from profiles.validation.rules.questionnaires import MAX_DEPTH, Place, children, hit_at, items
from profiles.validation.schema.nodes import Node
from profiles.validation.schema.terminology import ValueSet

DONE: Final = frozenset({"completed", "amended"})
KINDS: Final[dict[str, tuple[str, ...]]] = {
    "boolean": ("Boolean",),
    "decimal": ("Decimal", "Integer"),
    "integer": ("Integer",),
    "date": ("Date",),
    "dateTime": ("DateTime", "Date"),
    "time": ("Time",),
    "string": ("String",),
    "text": ("String",),
    "url": ("Uri",),
    "choice": ("Coding",),
    "open-choice": ("Coding", "String"),
    "attachment": ("Attachment",),
    "reference": ("Reference",),
    "quantity": ("Quantity",),
}
"""The types that an answer may have, by the type of its question."""
CLOSED: Final = "choice"


class Answering:
    """One response, held against its form."""

    def __init__(
        self,
        response: dict[str, Any],
        form: dict[str, Any],
        node: Node | None,
        context: Context,
        value_set: Callable[[str], ValueSet | None],
    ) -> None:
        self._response = response
        self._form = form
        self._node = node
        self._context = context
        self._value_set = value_set
        self._done = response.get("status") in DONE
        self._known = {str(row.get("linkId")) for _, row in items(form)}
        self._hits: Hits = []

    def hits(self) -> Hits:
        """What is wrong with the answers."""
        self._level(self._response, self._form, (), (self._response,))
        return self._hits

    def _add(self, key: str, place: Place, **params: Any) -> None:
        self._hits.append(hit_at(key, self._node, place, **params))

    def _level(self, holder: Any, form: Any, place: Place, scopes: Sequence[dict[str, Any]]) -> None:
        """The items below one item (or one answer) of the response, against those of the form."""
        if len(scopes) > MAX_DEPTH:
            return
        questions = {str(row.get("linkId")): row for _, row in children(form)}
        given: dict[str, list[tuple[Place, dict[str, Any]]]] = {}
        last = -1
        for at, row in children(holder, "item", place):
            name = str(row.get("linkId"))
            if name not in questions:
                self._add("answer.misplaced" if name in self._known else "answer.unknown", at, value=name[:80])
                continue
            turn = list(questions).index(name)
            if turn < last:
                self._add("answer.order", at, value=name[:80])
            last = max(last, turn)
            given.setdefault(name, []).append((at, row))
        for name, question in questions.items():
            self._question(name, question, given.get(name, []), place, scopes)

    def _question(
        self,
        name: str,
        question: dict[str, Any],
        given: list[tuple[Place, dict[str, Any]]],
        place: Place,
        scopes: Sequence[dict[str, Any]],
    ) -> None:
        asked = enabled(question, scopes, self._response, self._context)
        answered = any(_says(row) for _, row in given)
        if asked is False:
            for at, row in given:
                if _says(row):
                    self._add("answer.disabled", at, value=name[:80])
            return
        required = question.get("required") is True and self._done and question.get("type") != "display"
        if required and asked and not answered:
            self._add("answer.required", given[0][0] if given else place, value=name[:80])
        if len(given) > 1 and not (question.get("repeats") is True and question.get("type") == "group"):
            self._add("answer.repeated", given[1][0], value=name[:80])
        for at, row in given:
            self._answers(name, question, at, row, (*scopes, row))

    def _answers(
        self, name: str, question: dict[str, Any], at: Place, row: dict[str, Any], scopes: Sequence[dict[str, Any]]
    ) -> None:
        answers = list(children(row, "answer", at))
        type_ = str(question.get("type"))
        if answers and type_ in ("group", "display"):
            self._add("answer.none", answers[0][0], value=name[:80], allowed=type_)
            return
        if len(answers) > 1 and question.get("repeats") is not True:
            self._add("answer.repeated", answers[1][0], value=name[:80])
        for place, answer in answers:
            self._value(question, type_, place, answer)
            self._level(answer, question, place, scopes)
        if not answers or "item" in row:
            self._level(row, question if type_ in ("group", "display") or not answers else {}, at, scopes)

    def _value(self, question: dict[str, Any], type_: str, place: Place, answer: dict[str, Any]) -> None:
        """The value of one answer: its type, its length, and whether it is one of the options."""
        key = next((key for key in answer if key.startswith("value")), None)
        if key is None or type_ not in KINDS:
            return
        options = [value for name in ("answerOption", "option") for _, value in children(question, name)]
        kinds = (
            {one[5:] for option in options for one in option if one.startswith("value")} if type_ == CLOSED else set()
        )
        allowed = kinds or set(KINDS[type_])
        if key[5:] not in allowed:
            self._add("answer.type", place, value=key[5:], allowed=", ".join(sorted(allowed)))
            return
        longest, value = question.get("maxLength"), answer[key]
        if isinstance(longest, int) and isinstance(value, str) and len(value) > longest:
            self._add("length.max", (*place, "value"), max=longest, count=len(value))
        if type_ == CLOSED and not self._among(value, question, options):
            self._add("answer.option", (*place, "value"), value=value)

    def _among(self, value: Any, question: dict[str, Any], options: list[dict[str, Any]]) -> bool:
        """Whether an answer is one of the options, as far as they are here."""
        if options:
            return any(_chosen(value, value_of(option, "value")) for option in options)
        url = question.get("answerValueSet") or question.get("options")
        url = url.get("reference") if isinstance(url, dict) else url
        values = self._value_set(url) if isinstance(url, str) and not url.startswith("#") else None
        if values is None or not isinstance(value, dict) or "code" not in value:
            return True
        return values.has(value.get("system"), value["code"]) is not False


def _chosen(value: Any, option: Any) -> bool:
    if isinstance(value, dict) and isinstance(option, dict) and "code" in option:
        return value.get("code") == option["code"] and value.get("system") == option.get("system")
    return same_data(value, option)


def _says(row: dict[str, Any]) -> bool:
    """Whether an item holds an answer, its own or one below it."""
    if any(value_of(answer, "value") is not None or "extension" in answer for _, answer in children(row, "answer")):
        return True
    below = [one for _, answer in children(row, "answer") for _, one in children(answer)]
    return any(_says(one) for one in (*(one for _, one in children(row)), *below))
