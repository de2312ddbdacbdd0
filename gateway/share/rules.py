"""Written rules of the institution that accept for it: which measurements of whom, from when to when (DL-04).

Off unless there is one. The deed names the rule, so that the trail says who decided.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from pydantic import Field

from gateway.sections import SettingsSection
from gateway.share.content import codings, number_of
from profiles.fhir.tree import Resource


class AcceptRule(SettingsSection):
    """One rule: all that it names must hold."""

    id: str = Field(min_length=1, max_length=60, description="name of the rule; the trail shows it as who decided")
    author: str = Field(min_length=1, max_length=120, description="who wrote it, and answers for it")
    provider: str = Field(description="MedMij name")
    service: str = Field(description="data service id")
    valid_from: date = Field(description="first day")
    valid_until: date = Field(description="last day")
    codes: tuple[str, ...] = Field((), description="system|code of which the item must have one; empty: any")
    low: Decimal | None = Field(None, description="lowest value")
    high: Decimal | None = Field(None, description="highest value")
    patients: tuple[str, ...] = Field((), description="patient numbers of a programme; empty: everybody")

    def holds(self, provider: str, service: str, patient_id: str, resource: Resource, day: date) -> bool:
        """Whether the rule accepts an item on a day."""
        if (self.provider, self.service) != (provider, service) or not self.valid_from <= day <= self.valid_until:
            return False
        if self.patients and patient_id not in self.patients:
            return False
        if self.codes and not set(self.codes) & set(codings(resource.get("code"))):
            return False
        return self._within(resource)

    def _within(self, resource: Resource) -> bool:
        if self.low is None and self.high is None:
            return True
        quantity = resource.get("valueQuantity")
        value = number_of(quantity.get("value")) if isinstance(quantity, dict) else None
        return (
            value is not None and (self.low is None or self.low <= value) and (self.high is None or value <= self.high)
        )


def accepting(
    rules: Sequence[AcceptRule],
    provider: str,
    service: str,
    patient_id: str,
    items: Iterable[tuple[str, Resource]],
    day: date,
) -> dict[str, list[str]]:
    """The ids of items by the rule that accepts them; the first that holds counts."""
    found: dict[str, list[str]] = {}
    for id_, resource in items:
        rule = next((one for one in rules if one.holds(provider, service, patient_id, resource, day)), None)
        if rule is not None:
            found.setdefault(rule.id, []).append(id_)
    return found
