"""The changes that no row can say, by the name that a table calls them."""

from collections.abc import Callable, Mapping

from profiles.conversion.special import care, consent, devices, medication, observations, people
from profiles.conversion.work import Work

SPECIAL: Mapping[str, Callable[[Work], None]] = {
    **care.CHANGES,
    **consent.CHANGES,
    **devices.CHANGES,
    **medication.CHANGES,
    **observations.CHANGES,
    **people.CHANGES,
}
