"""Questionnaires: put one ready for a patient, follow what became of it, take it back, read the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import Connection, select
from starlette.responses import Response
from starlette.routing import BaseRoute

from auth.ages import ZONE
from gateway.calendar import today_here
from gateway.share.keep import Keys
from gateway.share.offers import OPEN, WAITING, Offer, Offers
from gateway.share.states import NotAllowed
from gateway.staff.guard import StaffGuard
from gateway.staff.people import SharingPerson, persons
from gateway.staff.rights import Right
from gateway.staff.submission import named
from gateway.staff.views import CellView, DeedView, FieldView, FormView, RoomView, RowView, TableView, row
from gateway.staff.visit import ROOT, StaffCall
from gateway.store.schema import resource
from gateway.store.shared import shared_item, submission
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.version import FhirVersion
from profiles.record.label import label

DONE = ("offered", "withdrawn")
_MOST = 200


@dataclass(frozen=True, slots=True)
class QuestionnairesRoom:
    """Offer and follow."""

    guard: StaffGuard
    keys: Keys

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything below /staff/questionnaires."""
        guard, room, right = self.guard, "questionnaires", Right.QUESTIONNAIRES
        return [
            guard.page(room, right, room, self.list, "questionnaires:list"),
            guard.deed("questionnaires/offer", right, room, self.offer),
            guard.deed("questionnaires/withdraw", right, room, self.withdraw),
        ]

    async def list(self, call: StaffCall) -> Response:
        """What was offered, and the form to offer one."""
        patient = call.request.query_params.get("patient", "").strip()[:64]

        def read(connection: Connection) -> tuple[list[tuple[str, str]], list[RowView]]:
            asked, rows = list[tuple[str, str]](), list[RowView]()
            for provider in call.account.providers:
                offers = Offers(connection, self.keys, provider)
                made = offers.of(patient) if patient else offers.newest()
                known = persons(connection, provider, [one.patient_id for one in made])
                answers = _answers(connection, [one.response for one in made if one.response])
                asked += [(f"{provider}/{id_}", title) for id_, title in _questionnaires(connection, provider)]
                rows += [_row(call, provider, one, known[one.patient_id], answers) for one in made]
            return asked, rows

        t = call.t
        asked, rows = await call.read(read)
        search = FormView(
            f"{ROOT}/questionnaires", "get",
            (FieldView("patient", t("questionnaires.of_patient"), value=patient),), t("inbox.find"),
        )  # fmt: skip
        heads = tuple(t(f"questionnaires.head_{one}") for one in ("person", "what", "offered", "until", "state"))
        table = TableView(t("questionnaires.count", count=len(rows)), heads, rows, t("questionnaires.none"))
        forms = (search, self._form(call, asked, patient)) if asked else (search,)
        lead = t("questionnaires.lead") if asked else t("questionnaires.no_questionnaire")
        return call.shown(RoomView(t("rooms.questionnaires"), lead, forms, (table,), call.done(DONE)))

    def _form(self, call: StaffCall, asked: Sequence[tuple[str, str]], patient: str) -> FormView:
        t = call.t
        return FormView(
            f"{ROOT}/questionnaires/offer", "post",
            (
                FieldView("patient", t("questionnaires.patient"), value=patient, required=True,
                          hint=t("questionnaires.patient_hint")),
                FieldView("questionnaire", t("questionnaires.which"), "select", options=tuple(asked)),
                FieldView("by", t("questionnaires.by"), value=call.account.name, required=True),
                FieldView("until", t("questionnaires.until"), "date"),
                FieldView("turn", t("questionnaires.turn"), "select", "now",
                          (("now", t("questionnaires.at_once")), ("turn", t("questionnaires.in_turn")))),
            ),
            t("questionnaires.offer"), t("questionnaires.title"),
        )  # fmt: skip

    async def offer(self, call: StaffCall) -> Response:
        """Put a questionnaire ready."""
        provider, _, questionnaire = call.form.one("questionnaire").partition("/")
        patient, by = call.form.one("patient"), call.form.one("by")
        until, fits = _end_of(call.form.one("until"))
        if provider not in call.account.providers or not patient or not by or not fits:
            return call.said("incomplete", 400)
        await call.note("questionnaire:offer", provider=provider, rule=questionnaire)

        def offered(connection: Connection) -> str:
            offers = Offers(connection, self.keys, provider)
            return offers.offer(patient, questionnaire, by[:120], until, in_turn=call.form.one("turn") == "turn")

        try:
            await call.write(offered)
        except NotAllowed:
            await call.note("questionnaire:offer", 404, provider=provider, rule=questionnaire)
            return call.said("unknown_patient", 404)
        return call.back("questionnaires", "offered")

    async def withdraw(self, call: StaffCall) -> Response:
        """Take back what was not answered yet."""
        provider, task = call.form.one("provider"), call.form.one("task")
        if provider not in call.account.providers:
            raise NotAllowed("there is no such Task")
        await call.note("questionnaire:withdraw", provider=provider, rule=task)
        reason = call.t("questionnaires.taken_back")
        await call.write(lambda connection: Offers(connection, self.keys, provider).withdraw(task, reason))
        return call.back("questionnaires", "withdrawn")


def _row(call: StaffCall, provider: str, offer: Offer, person: SharingPerson, answers: dict[str, str]) -> RowView:
    t = call.t
    name = person.name or t("inbox.nameless", id=offer.patient_id)
    state = CellView(named(t, "task_states", offer.status))
    if offer.response in answers:
        state = CellView(f"{state.text}: {t('questionnaires.read')}", f"{ROOT}/inbox/{answers[offer.response]}")
    deeds = []
    if offer.status in (*OPEN, WAITING):
        fields = (("provider", provider), ("task", offer.id))
        deeds = [
            DeedView(
                f"{ROOT}/questionnaires/withdraw", t("questionnaires.withdraw"), fields, f"{name}, {offer.offered[:10]}"
            )
        ]
    return row(name, offer.questionnaire, offer.offered[:10], offer.until[:10], state, deeds=deeds)


def _questionnaires(connection: Connection, provider: str) -> list[tuple[str, str]]:
    """Id and title of the questionnaires that this provider has here."""
    mine = (
        resource.c.provider == provider,
        resource.c.fhir == FhirVersion.STU3.value,
        resource.c.type == "Questionnaire",
        resource.c.deleted.is_(False),
    )
    rows = connection.execute(select(resource.c.id, resource.c.json).where(*mine).order_by(resource.c.id).limit(_MOST))
    held = [(row.id, jsonio.load(unpack(bytes(row.json)))) for row in rows]
    return [(id_, str(one.get("title") or label(one) or id_)) for id_, one in held]


def _answers(connection: Connection, references: Sequence[str]) -> dict[str, str]:
    """The submission in which each of these answers came."""
    ids = [one.removeprefix("QuestionnaireResponse/") for one in references]
    rows = connection.execute(
        select(shared_item.c.id, submission.c.id.label("submission"))
        .join(submission, shared_item.c.submission_pk == submission.c.pk)
        .where(shared_item.c.type == "QuestionnaireResponse", shared_item.c.id.in_(ids))
    )
    return {f"QuestionnaireResponse/{row.id}": row.submission for row in rows}


def _end_of(text: str) -> tuple[datetime | None, bool]:
    """The end of a day, here; and whether what was filled in is a day that is not over."""
    if not text:
        return None, True
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None, False
    return datetime.combine(day, time(23, 59, 59), ZONE), day >= today_here()
