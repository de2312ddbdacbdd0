"""From a push to what will be written: ids, patient, normalisation and verdict come before any writing."""

from gateway.intake.change import Draft, Plan
from gateway.intake.lookup import Lookup
from gateway.intake.sender import Sender
from gateway.intake.settle import Settling
from gateway.intake.tasks import Push


def plan(sender: Sender, push: Push) -> Plan:
    """Settle everything about a push. A task that cannot be carried out gets its refusal.

    Raises SQLAlchemyError when the store does not answer.
    """
    draft = Draft(Plan(push))
    Lookup(sender, draft).read()
    Settling(sender, draft).settle()
    return draft.plan
