"""A PGO fills in a questionnaire: what is asked, the answers in FHIR, and what passes between it and the provider.

Questions of the types that a plain form can ask; one of another type is left out, and the provider says so when it was
required. What a question depends on is looked at once everything is filled in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

from profiles.fhir.codec import jsonio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from workbench.pgo.client import PgoClient
from workbench.pgo.oauth import PgoError, Tokens
from workbench.pgo.sharing import ShareAnswer, read_answer

SERVICE = "59"
"""The data service of questionnaires."""
MEDIA = f"application/fhir+json; fhirVersion={FhirVersion.STU3.mime}"
PROFILE = "http://nictiz.nl/fhir/StructureDefinition/vl-QuestionnaireResponse"
SEARCH = "Task?code=http://loinc.org|74468-0&status=requested"
YES, NO = "Ja", "Nee"
KINDS = {
    "choice": "choice", "open-choice": "choice", "boolean": "choice", "integer": "number", "decimal": "number",
    "date": "date", "string": "text", "text": "text",
}  # fmt: skip
"""How a form asks a question of a type."""


class UnfitAnswer(ValueError):
    """An answer that is none to its question; the text says it to the person, in Dutch."""


@dataclass(frozen=True, slots=True)
class FormQuestion:
    """One line of the form: a question, or with ``kind`` heading the words above some."""

    link: str
    text: str
    kind: str
    required: bool = False
    options: tuple[str, ...] = ()


def form_of(questionnaire: Resource) -> list[FormQuestion]:
    """The lines of the form, in order."""
    lines = []
    for item in _items(questionnaire):
        kind = KINDS.get(str(item.get("type")), "heading" if item.get("type") in ("group", "display") else "")
        if kind:
            options = tuple(_shown(one) for one in _options(item))
            lines.append(
                FormQuestion(_link(item), str(item.get("text", "")), kind, item.get("required") is True, options)
            )
    return lines


def example_answers(questionnaire: Resource) -> dict[str, str]:
    """Something for each question: the first option, 1, today, a word."""
    said = {"number": "1", "date": datetime.now(UTC).date().isoformat(), "text": "Ingevuld als voorbeeld."}
    return {
        line.link: line.options[0] if line.options else said.get(line.kind, "")
        for line in form_of(questionnaire)
        if line.kind != "heading"
    }


def response_of(questionnaire: Resource, task: Resource, answers: Mapping[str, str]) -> Resource:
    """The answers, by the link of their question, as FHIR. Raises UnfitAnswer."""
    given: dict[str, dict[str, Any]] = {}
    for item in _items(questionnaire):
        value = answers.get(_link(item), "").strip()
        if value and str(item.get("type")) in KINDS:
            given[_link(item)] = _value(item, value)
    who = {name: text for name, text in task.get("owner", {}).items() if name in ("reference", "display")}
    return {
        "resourceType": "QuestionnaireResponse",
        "meta": {"profile": [PROFILE]},
        "questionnaire": {
            "reference": str(questionnaire.get("url", "")),
            "display": str(questionnaire.get("title", "Vragenlijst")),
        },
        "status": "completed",
        "subject": who,
        "authored": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "author": who,
        "item": list(_answered(questionnaire.get("item", ()), given)),
    }


async def open_tasks(client: PgoClient, tokens: Tokens) -> list[Resource]:
    """The questionnaires that are ready for the person. Raises PgoError, and httpx.HTTPError."""
    bundle = await _got(client, tokens, SEARCH)
    return [one["resource"] for one in bundle.get("entry", ()) if one["resource"]["resourceType"] == "Task"]


async def questionnaire_of(client: PgoClient, tokens: Tokens, task: Resource) -> Resource:
    """The questionnaire that a Task asks for. Raises PgoError, and httpx.HTTPError."""
    id_ = str(asked_by(task).get("reference", "")).rpartition("/")[2]
    return await _got(client, tokens, f"Questionnaire/{id_}")


def asked_by(task: Resource) -> Mapping[str, Any]:
    """The reference to the questionnaire that a Task asks for; empty when it names none."""
    for one in task.get("input", ()):
        if one.get("type", {}).get("text") == "Questionnaire":
            return dict(one.get("valueReference", {}))
    return {}


async def send_answers(client: PgoClient, tokens: Tokens, task: Resource, response: Resource) -> ShareAnswer:
    """Take the questionnaire on, and complete it with the answers. Raises httpx.HTTPError and EndpointError."""
    base = client.dva.resource(tokens.provider, SERVICE)
    address = f"{base}/Task/{task['id']}"
    if task.get("status") != "accepted":
        taken = await client.put(address, tokens, jsonio.dump(dict(task) | {"status": "accepted"}), MEDIA)
        if taken.status_code != 200:
            return read_answer(taken.status_code, taken.content, FhirVersion.STU3)
        task = jsonio.parse(taken.content)
    where = f"urn:uuid:{uuid4()}"
    output = {
        "type": {"text": "QuestionnaireResponse"},
        "valueReference": {"reference": where, "display": "Antwoorden"},
    }
    done = dict(task) | {"status": "completed", "output": [output]}
    entries = [
        {"fullUrl": address, "resource": done, "request": {"method": "PUT", "url": f"Task/{task['id']}"}},
        {"fullUrl": where, "resource": response, "request": {"method": "POST", "url": "QuestionnaireResponse"}},
    ]
    body = jsonio.dump({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    return await client.share(tokens, SERVICE, body, FhirVersion.STU3)


async def _got(client: PgoClient, tokens: Tokens, path: str) -> Resource:
    answer = await client.fetch(f"{client.dva.resource(tokens.provider, SERVICE)}/{path}", tokens, MEDIA)
    if answer.status_code != 200:
        raise PgoError("De zorgaanbieder gaf de vragenlijst niet.", str(answer.status_code))
    try:
        return jsonio.parse(answer.content)
    except FormatError as fault:
        raise PgoError("De zorgaanbieder gaf geen leesbaar antwoord.", "unreadable") from fault


def _items(holder: Resource) -> Iterator[Resource]:
    for item in holder.get("item", ()):
        yield item
        yield from _items(item)


def _link(item: Resource) -> str:
    return str(item.get("linkId", ""))


def _options(item: Resource) -> Sequence[Resource]:
    if item.get("type") == "boolean":
        return [{"valueCoding": {"display": YES}}, {"valueCoding": {"display": NO}}]
    return [one for one in item.get("option", ()) if isinstance(one, dict)]


def _shown(option: Resource) -> str:
    value: Any = next(iter(option.values()), "")
    return str(value.get("display") or value.get("code", "")) if isinstance(value, dict) else str(value)


def _value(item: Resource, text: str) -> dict[str, Any]:
    kind = str(item.get("type"))
    try:
        match kind:
            case "boolean":
                return {"valueBoolean": {YES: True, NO: False}[text]}
            case "choice" | "open-choice":
                option = next(one for one in _options(item) if _shown(one) == text)
                return {name: value for name, value in option.items() if name.startswith("value")}
            case "integer":
                return {"valueInteger": int(text)}
            case "decimal":
                return {"valueDecimal": _number(text)}
            case "date":
                return {"valueDate": date.fromisoformat(text).isoformat()}
    except (KeyError, StopIteration, ValueError, InvalidOperation) as fault:
        raise UnfitAnswer(f"Dit antwoord past niet bij de vraag: {item.get('text', '')}") from fault
    return {"valueString": text[:2_000]}


def _number(text: str) -> Decimal:
    number = Decimal(text.replace(",", "."))
    if not number.is_finite() or len(text) > 18:
        raise InvalidOperation
    return number


def _answered(items: Sequence[Resource], given: Mapping[str, dict[str, Any]]) -> Iterator[Resource]:
    """The items that are put and have an answer, themselves or below."""
    for item in items:
        if not _is_put(item, given):
            continue
        below = list(_answered(item.get("item", ()), given))
        value = given.get(_link(item))
        if value is not None:
            yield {
                "linkId": _link(item),
                "text": item.get("text", ""),
                "answer": [value | ({"item": below} if below else {})],
            }
        elif below:
            yield {"linkId": _link(item), "text": item.get("text", ""), "item": below}


def _is_put(item: Resource, given: Mapping[str, dict[str, Any]]) -> bool:
    rules = item.get("enableWhen", ())
    return not rules or any(_holds(rule, given.get(str(rule.get("question")))) for rule in rules)


def _holds(rule: Resource, value: dict[str, Any] | None) -> bool:
    if "hasAnswer" in rule:
        return rule["hasAnswer"] is (value is not None)
    wanted = next((one for name, one in rule.items() if name.startswith("answer")), None)
    had: Any = next(iter(value.values()), None) if value else None
    if isinstance(wanted, dict) and isinstance(had, dict):
        return all(had.get(name) == part for name, part in wanted.items() if name in ("system", "code"))
    return had is not None and had == wanted
