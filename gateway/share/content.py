"""What an entry says, by the words of its row: codes, categories, claims, moments, and whether a measurement can be."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.calendar import utc
from gateway.problems import Problem
from gateway.share.findings import finding
from gateway.share.parcel import Item
from profiles.fhir.tree import Resource, claimed_profiles
from profiles.standards.receives import Plausible

AHEAD = timedelta(hours=24)
"""How far a moment may lie in the future: clocks and time zones differ."""
MOMENTS = ("effectiveDateTime", "occurrenceDateTime", "authored", "sent", "created", "indexed", "issued", "date")
DAY = len("2026-01-31")


def check_codes(item: Item) -> None:
    """Whether the entry is of a kind that the row takes. Raises Problem 422."""
    for element, wanted in (("code", item.rule.codes), ("category", item.rule.kinds)):
        if not wanted:
            continue
        fitting = [one for one in codings(item.resource.get(element)) if one in wanted]
        if not fitting or (element == "category" and len(set(fitting)) > 1):
            text = f"This {element} is not one that is taken here."
            raise Problem(422, "code-invalid", text, expression=f"{item.place}.resource.{element}")


def check_claims(item: Item, expected: Sequence[str]) -> None:
    """Hold the profiles that are claimed against those of the row; who claims none claims what fits. Raises Problem.

    ``expected`` are the profiles that the rows of the standards expect of such a resource.
    """
    profiles = item.rule.profiles
    if not profiles:
        return
    claimed = [one.partition("|")[0] for one in claimed_profiles(item.resource)]
    if not claimed:
        fitting = [one for one in expected if one in profiles] or (list(profiles) if len(profiles) == 1 else [])
        if not fitting:
            text = "The entry claims no profile, and more than one is possible."
            raise Problem(422, "required", text, expression=f"{item.place}.resource.meta.profile")
        item.resource["meta"] = {**item.resource.get("meta", {}), "profile": fitting}
    elif not set(claimed) & set(profiles):
        text = "The entry claims a profile that is not taken here."
        raise Problem(422, "code-invalid", text, expression=f"{item.place}.resource.meta.profile")


def check_points(item: Item) -> None:
    """Whether an entry points at no more than the row allows (a List of three Media). Raises Problem 422."""
    for type_, most in item.rule.points.items():
        entries: Any = item.resource.get("entry")
        pointing = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
        if len(pointing) > most:
            text = f"At most {most} {type_} may be in it."
            raise Problem(422, "business-rule", text, expression=f"{item.place}.resource.entry")


def check_moments(item: Item, born: date | None, now: datetime) -> None:
    """No moment lies before the person was born, or further ahead than clocks differ. Raises Problem 422."""
    for name in MOMENTS:
        moment = moment_of(item.resource.get(name))
        if moment is None:
            continue
        if moment > now + AHEAD or (born is not None and moment.date() < born):
            text = "This moment lies in the future, or before the person was born."
            raise Problem(422, "business-rule", text, expression=f"{item.place}.resource.{name}")


def moment_of(value: object) -> datetime | None:
    """A FHIR dateTime with at least a day, as a moment; what is less precise, or none at all, is not judged."""
    if not isinstance(value, str) or len(value) < DAY:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return utc(moment)


def implausible(resource: Resource, rows: Iterable[Plausible]) -> Iterator[str]:
    """The places of values that cannot well be: outside their row, or a systolic pressure below the diastolic."""
    by_code = {row.code: row for row in rows}
    values: dict[str, Decimal] = {}
    parts: Any = resource.get("component", [])
    places = [("Observation", resource)]
    places += [(f"Observation.component[{number}]", one) for number, one in enumerate(parts) if isinstance(one, dict)]
    for place, part in places:
        quantity = part.get("valueQuantity")
        if not isinstance(quantity, dict) or (value := number_of(quantity.get("value"))) is None:
            continue
        for code in codings(part.get("code")):
            values[code] = value
            row = by_code.get(code)
            fits = row is None or (quantity.get("code", row.unit) == row.unit and row.low <= value <= row.high)
            if not fits:
                yield f"{place}.valueQuantity"
    systolic, diastolic = (values.get(f"http://loinc.org|{code}") for code in ("8480-6", "8462-4"))
    if systolic is not None and diastolic is not None and systolic <= diastolic:
        yield "Observation.component"


def note_implausible(item: Item, rows: Iterable[Plausible]) -> None:
    """Tell of every value that cannot well be; it is taken all the same (DL-43)."""
    item.findings += [finding("implausible", place) for place in implausible(item.resource, rows)]


def number_of(value: object) -> Decimal | None:
    """A JSON number as a Decimal; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def codings(concept: object) -> Iterator[str]:
    """``system|code`` of every coding in a CodeableConcept, or in a list of them."""
    for one in concept if isinstance(concept, list) else [concept]:
        for coding in one.get("coding", ()) if isinstance(one, dict) else ():
            if isinstance(coding, dict):
                yield f"{coding.get('system', '')}|{coding.get('code', '')}"
