"""One submission as its page shows it: in words, beside what was known, with what was done and what can be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection

from auth.pages.catalogue import Texts
from gateway.calendar import utc
from gateway.dossier.plots import trend_plot
from gateway.dossier.readings import trends
from gateway.report.words import rule_text
from gateway.share.findings import RULES
from gateway.share.inbox import Opened, SharedItem, WaitingShare
from gateway.share.questionnaire import questionnaire_of
from gateway.share.readable import Line, readable
from gateway.share.states import FOLLOWS, State
from gateway.staff.people import Earlier, SharingPerson, earlier, persons
from gateway.staff.views import minute
from gateway.staff.visit import CATALOGUE
from profiles.fhir.version import FhirVersion

SHOWN = {"image/jpeg": "image", "image/png": "image", "image/gif": "image", "application/pdf": "pdf"}
"""Media types that open in the browser; everything else is only saved."""
ALIKE = 8
"""So many items with earlier values: a series of measurements is compared once per kind."""


@dataclass(frozen=True, slots=True)
class FileView:
    """A file of a submission."""

    id: str
    media: str
    kind: str
    """image, pdf or other."""
    size: int


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item."""

    id: str
    title: str
    lines: Sequence[Line]
    state: str
    reason: str
    findings: Sequence[str]
    gone: bool
    """Its content was removed: it was filed, or its time is over."""
    open: bool


@dataclass(frozen=True, slots=True)
class SubmissionView:
    """A submission whole."""

    id: str
    person: SharingPerson
    service: str
    received: str
    waited: str
    due: str
    client: str
    for_another: bool
    department: str
    assignee: str
    items: Sequence[ItemView]
    files: Sequence[FileView]
    plots: Sequence[Markup]
    known: Mapping[str, Sequence[Earlier]]
    """Earlier values, by what they are."""
    deeds: Sequence[tuple[str, str, str, str]]
    """When, what, who, and the words that were written."""
    filings: Sequence[tuple[str, str, int]]
    states: frozenset[State]

    def can(self, state: State) -> bool:
        """Whether an item may go to this state."""
        return any(state in FOLLOWS[one] for one in self.states)


def about_line(line: WaitingShare) -> dict[str, Any]:
    """What the access trail says of a submission: whose it is and which, nothing of what it holds."""
    return {"provider": line.provider, "service": line.service, "person": line.person, "rule": line.id}


def named(t: Texts, section: str, name: str) -> str:
    """A word of the store for people; the word itself where nobody wrote a text."""
    return CATALOGUE[t.language][section].get(name, name)


def waited(since: datetime, now: datetime, t: Texts) -> str:
    """How long something waits, in the largest unit that fits."""
    minutes = max(0, int((now - utc(since)).total_seconds() // 60))
    if minutes >= 2 * 24 * 60:
        return t("inbox.days", count=minutes // (24 * 60))
    return t("inbox.hours", count=minutes // 60) if minutes >= 60 else t("inbox.minutes", count=minutes)


def submission_view(
    connection: Connection, opened: Opened, service: str, now: datetime, t: Texts, *, content: bool
) -> SubmissionView:
    """The view; ``content``: whether this account may read what was sent."""
    line, version = opened.line, FhirVersion(opened.fhir)
    items = [one for one in opened.items if one.role == "item"]
    held = [one for one in items if one.resource and content]
    known: dict[str, Sequence[Earlier]] = {}
    for one in held:
        title = readable(one.resource).title
        if title not in known and len(known) < ALIKE:
            known[title] = earlier(connection, line.provider, version, line.patient_id, one.resource)
    files = [_file(one) for one in opened.items if one.type == "Binary" and one.size] if content else []
    return SubmissionView(
        line.id,
        persons(connection, line.provider, [line.patient_id])[line.patient_id],
        service,
        minute(line.received),
        waited(line.received, now, t) if line.open else "",
        line.due.strftime("%d-%m-%Y") if line.due else "",
        opened.client,
        bool(opened.actor),
        line.department,
        line.assignee,
        [_item(connection, line.provider, version, one, t, content=content) for one in items],
        files,
        [trend_plot(trend) for trend in trends(one.resource for one in held)],
        {title: values for title, values in known.items() if values},
        [(minute(one.at), named(t, "deeds", one.deed), one.by, one.text) for one in opened.deeds],
        [(target, named(t, "filing_states", state), attempts) for _, target, state, attempts in opened.filings],
        frozenset(State(one.state) for one in items),
    )


def finding_text(rule: str, language: str) -> str:
    """What a finding means, for staff."""
    known = RULES.get(rule)
    if known is not None:
        return known.en if language == "en" else known.nl
    return rule_text(rule, language)[0]


def _item(
    connection: Connection, provider: str, version: FhirVersion, item: SharedItem, t: Texts, *, content: bool
) -> ItemView:
    shown = None
    if item.resource and content:
        asked = None
        if item.type == "QuestionnaireResponse":
            asked = questionnaire_of(connection, provider, version, item.resource)
        shown = readable(item.resource, asked)
    return ItemView(
        item.id,
        shown.title if shown else t("inbox.closed"),
        shown.lines if shown else (),
        item.state,
        item.reason,
        tuple(dict.fromkeys(finding_text(str(one.get("rule", "")), t.language) for one in item.findings)),
        not item.resource,
        State(item.state) in (State.INBOX, State.RETURNED),
    )


def _file(item: SharedItem) -> FileView:
    media = str(item.resource.get("contentType", "")).partition(";")[0].strip().lower()
    return FileView(item.id, media, SHOWN.get(media, "other"), item.size)
