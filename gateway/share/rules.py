"""Written rules of the institution that accept for it: which measurements of whom, from when to when (DL-04).

Off unless there is one. The deed names the rule, so that the trail says who decided.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from gateway.share.content import codings, number_of
from gateway.share.settings import AcceptRule
from profiles.fhir.tree import Resource


def holds(rule: AcceptRule, provider: str, service: str, patient_id: str, resource: Resource, day: date) -> bool:
    """Whether a rule accepts an item on a day."""
    if (rule.provider, rule.service) != (provider, service) or not rule.valid_from <= day <= rule.valid_until:
        return False
    if rule.patients and patient_id not in rule.patients:
        return False
    if rule.codes and not set(rule.codes) & set(codings(resource.get("code"))):
        return False
    return _within(rule, resource)


def _within(rule: AcceptRule, resource: Resource) -> bool:
    if rule.low is None and rule.high is None:
        return True
    quantity = resource.get("valueQuantity")
    value = number_of(quantity.get("value")) if isinstance(quantity, dict) else None
    return value is not None and (rule.low is None or rule.low <= value) and (rule.high is None or value <= rule.high)


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
        rule = next((one for one in rules if holds(one, provider, service, patient_id, resource, day)), None)
        if rule is not None:
            found.setdefault(rule.id, []).append(id_)
    return found
