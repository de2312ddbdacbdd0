"""What `profiles.conversion.special` does, undone, by the name that a table calls it."""

from collections.abc import Callable, Mapping

from profiles.conversion.back.around import BackWork
from profiles.conversion.back.special import care, consent, medication, observations, requests, status

UNDONE: Mapping[str, Callable[[BackWork], None]] = {
    **care.CHANGES,
    **consent.CHANGES,
    **medication.CHANGES,
    **observations.CHANGES,
    **requests.CHANGES,
    **status.CHANGES,
}
