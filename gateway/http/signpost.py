"""What there is, for a tester whose address is wrong. In test mode only: production refuses without saying more."""

from dataclasses import dataclass

from gateway.http.address import Address
from gateway.providers import Registry

SHOWN = 40


@dataclass(frozen=True, slots=True)
class Signpost:
    """Knows the providers."""

    registry: Registry

    def to(self, address: Address) -> str:
        """A sentence on what there is instead of ``address``; empty when the address is one of ours.

        It holds names of ours only, nothing that was asked.
        """
        provider = self.registry.find(address.provider)
        if provider is None:
            return f"Providers here: {_some(self.registry.names())}."
        if address.service_id not in provider.services:
            return f"Data services of {provider.name}: {_some(tuple(provider.services))}."
        return ""


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
