"""The hospital with a questionnaire, and what a PGO does with it."""

from typing import Any

from world.share_house import (
    ANNA,
    FORM,
    JSON,
    PROVIDER,
    ZIB,
    ShareHouse,
    bundle,
    entry,
    urn,
)  # fmt: skip

from gateway.share.keep import Keys
from gateway.share.offers import Offer, Offers
from gateway.wiring import keys_of

URL = "https://example.org/Questionnaire/slaap"
OPTIONS = [{"valueCoding": {"code": code, "display": code}} for code in ("goed", "slecht")]
QUESTIONS = {
    "resourceType": "Questionnaire", "id": "slaap", "url": URL, "version": "1", "title": "Slaap", "status": "active",
    "meta": {"profile": [f"{ZIB}vl-Questionnaire"]}, "date": "2026-01-01",
    "item": [
        {"linkId": "hoe", "text": "Hoe slaapt u?", "type": "choice", "required": True, "option": OPTIONS},
        {"linkId": "groep", "type": "group", "text": "Als u slecht slaapt",
         "enableWhen": [{"question": "hoe", "answerCoding": {"code": "slecht"}}],
         "item": [{"linkId": "uren", "text": "Hoeveel uur?", "type": "integer", "required": True}]},
        {"linkId": "vrij", "text": "Iets anders?", "type": "text", "maxLength": 20},
    ],
}  # fmt: skip


class FormHouse:
    """The hospital with a questionnaire, and what it does with it."""

    def __init__(self, house: ShareHouse) -> None:
        self.house = house
        self.keys = Keys(*keys_of(house.settings))

    def offer(self, whose: str = "anna", **more: Any) -> str:
        """Put the questionnaire ready; the id of its Task."""
        with self.house.engine.begin() as connection:
            return Offers(connection, self.keys, PROVIDER).offer(whose, "slaap", "Dokter Jansen", **more)

    def offers(self, whose: str = "anna") -> list[Offer]:
        """What was offered."""
        with self.house.engine.connect() as connection:
            return Offers(connection, self.keys, PROVIDER).of(whose)

    def found(self, bsn: str = ANNA) -> list[dict[str, Any]]:
        """The Tasks that a PGO finds."""
        answer = self.house.call("GET", "Task?code=http://loinc.org|74468-0&status=requested", FORM, bsn)
        assert answer.status_code == 200
        return [one["resource"] for one in answer.json().get("entry", [])]

    def put(self, task: dict[str, Any], bsn: str = ANNA, **change: Any) -> Any:
        """Put a Task back with something changed."""
        headers = {"content-type": JSON}
        return self.house.call("PUT", f"Task/{task['id']}", FORM, bsn, json=task | change, headers=headers)

    def answers(self, task: dict[str, Any], items: list[dict[str, Any]], bsn: str = ANNA, **more: Any) -> Any:
        """Complete a Task with answers."""
        where, base = urn(), f"{self.house.settings.base_url}/{PROVIDER}/{FORM}/fhir"
        whose = task["owner"]["reference"]
        response = {
            "resourceType": "QuestionnaireResponse", "meta": {"profile": [f"{ZIB}vl-QuestionnaireResponse"]},
            "questionnaire": {"reference": URL, "display": "Slaap"}, "status": "completed",
            "subject": {"reference": f"{base}/{whose}", "display": "A."}, "authored": "2026-01-06T08:00:00+01:00",
            "author": {"reference": f"{base}/{whose}", "display": "A."}, "item": items,
        } | more  # fmt: skip
        output = [{"type": {"text": "QuestionnaireResponse"}, "valueReference": {"reference": where, "display": "x"}}]
        done = task | {"status": "completed", "output": output}
        body = bundle(
            "transaction", entry(f"{base}/Task/{task['id']}", done, "PUT", f"Task/{task['id']}"), entry(where, response)
        )
        return self.house.send(body, service=FORM, bsn=bsn)


def given(link: str, **value: Any) -> dict[str, Any]:
    """An answer to a question."""
    return {"linkId": link, "answer": [value]}


GOOD = [given("hoe", valueCoding={"code": "goed"})]
BAD = [
    given("hoe", valueCoding={"code": "slecht"}),
    {"linkId": "groep", "item": [given("uren", valueInteger=4)]},
]
