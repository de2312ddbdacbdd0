"""What a resource may be told about another: only what is of the same person, or of nobody in particular."""

from collections.abc import Callable
from dataclasses import dataclass, field

from profiles.fhir.tree import Resource, local_reference
from profiles.record.walk import Key
from profiles.record.whose import OWNERS

Owned = tuple[str, Resource]
"""The patient whose a resource is (empty: shared), and the resource."""


ONE_PERSON = "-"
"""The owner of what is one person's, where there is one person only: in a batch that the guard has let through."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What stands beside a resource of one patient (empty: a shared resource), as far as it may be used for it.

    ``held`` gives the owner and the content of a resource by type and id; None when there is none, or when whoever
    holds it may not be asked (another source's). A repair gets this and nothing else, so that it cannot cross persons:
    what is another patient's is never given, and a shared resource, which everybody reads, gets shared ones only.
    """

    patient: str
    held: Callable[[Key], Owned | None] = field(repr=False, default=lambda _key: None)

    def find(self, reference: str) -> Resource | None:
        """What a literal reference points at; None also for an address elsewhere and for another patient's."""
        key = None if "://" in reference else local_reference(reference)
        found = self.held(key) if key is not None else None
        if key is None or found is None:
            return None
        owner, resource = found
        shared = not owner and OWNERS.may_be_shared(key[0])
        return resource if shared or (owner and owner == self.patient) else None
