"""The care providers of this gateway, as the authorization server asks for them."""

from collections.abc import Mapping

from auth.ports import Function, Level, Provider, Representation, ServiceInfo
from gateway.settings import ProviderSettings
from profiles.standards.load import catalogue


class Registry:
    """Implements ``auth.ports.Providers`` over the configured providers."""

    def __init__(self, providers: Mapping[str, ProviderSettings]) -> None:
        self._providers = {name: _provider(name, given) for name, given in providers.items()}

    def find(self, name: str) -> Provider | None:
        """The provider with this MedMij name (without @medmij), or None."""
        return self._providers.get(name)

    def names(self) -> tuple[str, ...]:
        """All provider names."""
        return tuple(self._providers)


def _provider(name: str, given: ProviderSettings) -> Provider:
    known = catalogue()
    services = {}
    for id_ in given.services:
        _, service = known.service(id_)
        services[id_] = ServiceInfo(id_, service.name, Function(service.function), given.subscriptions.get(id_))
    return Provider(
        name=name,
        display_name=given.display_name,
        services=services,
        logo=given.logo or None,
        privacy_url=given.privacy_url or None,
        phone=given.phone or None,
        level_floor=Level[given.level_floor.upper()],
        representation=frozenset(Representation(kind) for kind in given.representation),
    )
