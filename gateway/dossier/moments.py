"""When a resource is about, for putting the newest first and what is to come before everything."""

from datetime import date

from gateway.dossier.paths import values
from profiles.fhir.tree import Resource

_WHEN = (
    "effective[x]|occurrence[x]|performed[x]|onset[x]|recordedDate|assertedDate|whenHandedOver|start|date|dateTime"
    "|period|created|indexed|authoredOn|extension(zib-Medication-PeriodOfUse).value[x]"
    "|extension(ext-TimeInterval.Period).value[x]|recommendation.date|whenUsed"
)
"""Where a resource says when, the most telling first."""


def when(resource: Resource) -> str:
    """The moment as FHIR writes it, of a period its start; empty when there is none. Text compares by day."""
    for value in values(resource, _WHEN):
        text = value.get("start") or value.get("end") if isinstance(value, dict) else value
        if isinstance(text, str) and text[:4].isdigit():
            return text
    return ""


def day_in(text: str) -> date | None:
    """The day in a FHIR date or instant; None when it is less exact, or none."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def is_past(text: str, today: date) -> bool:
    """Whether a moment certainly lies before today: 2025 does when it is 2026, no sooner."""
    return bool(text) and text[:10] < today.isoformat()[: len(text[:10])]


def in_order(resources: list[Resource], today: date) -> list[Resource]:
    """Appointments to come first, the nearest on top; then everything else, the newest first, and undated last."""
    coming = [one for one in resources if one["resourceType"] == "Appointment" and not is_past(when(one), today)]
    held = {id(one) for one in coming}
    rest = [one for one in resources if id(one) not in held]
    return [*sorted(coming, key=when), *sorted(rest, key=when, reverse=True)]
