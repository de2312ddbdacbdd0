"""The care providers of this gateway, as the authorization server asks for them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from auth.ports import Function, Level, Provider, Representation, ServiceInfo
from gateway.settings import ProviderSettings, Settings
from profiles.standards.load import catalogue

SUBSCRIPTION_DAYS = 365
"""Longest subscription at the providers of the demo world."""

ALL_SERVICES = "ziekenhuiszandoord"
"""In test mode this provider offers every service that the gateway knows, so that any test set can be tried."""


@lru_cache(maxsize=2)
def _test_providers(everything: bool) -> Mapping[str, ProviderSettings]:
    # Imported here: the demo world is test data, and production never reads it.
    from workbench.demo.world import load

    known = catalogue()
    found = {}
    for provider in load(datetime.now(UTC).date()).providers:
        services = [service.id for name in provider.standards for service in known.standards[name].services]
        if everything and provider.name == ALL_SERVICES:
            services = [service.id for standard in known.standards.values() for service in standard.services]
        found[provider.name] = ProviderSettings(
            display_name=provider.display,
            services=tuple(dict.fromkeys(services)),
            privacy_url=provider.privacy,
            phone=provider.phone,
            logo=f"/static/{provider.name}/logo.svg",
            subscriptions=dict.fromkeys(services, SUBSCRIPTION_DAYS),
            representation=tuple(kind.value for kind in provider.representation),
        )
    return found


def known_providers(settings: Settings, *, everything: bool = True) -> Mapping[str, ProviderSettings]:
    """The configured providers; in test mode without any, those of the demo world.

    ``everything`` lets one of them offer every service; without it each offers what the demo world says, as the demo
    does, whose consent pages would be long lists otherwise.
    """
    if settings.providers or settings.mode != "test":
        return settings.providers
    return _test_providers(everything)


class Registry:
    """Implements ``auth.ports.Providers``: built once, looked up by name."""

    def __init__(self, settings: Settings, *, everything: bool = True) -> None:
        known = known_providers(settings, everything=everything)
        self._providers = {name: _provider(name, given) for name, given in known.items()}

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
