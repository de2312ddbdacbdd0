"""The care providers of this gateway, as the authorization server asks for them."""

from collections.abc import Mapping
from dataclasses import replace

from auth.ports import Function, Level, Provider, Representation, ServiceInfo
from gateway.calendar import Today, today_here
from gateway.sections import ProviderSettings
from profiles.standards.load import Catalogue, catalogue


class Registry:
    """Implements ``auth.ports.Providers`` over the configured providers.

    A provider offers a data service only on the days on which it is in force: before and after, nobody is asked for
    consent to it, and a refresh token brings nothing of it.
    """

    def __init__(
        self, providers: Mapping[str, ProviderSettings], known: Catalogue | None = None, today: Today = today_here
    ) -> None:
        self._known = known or catalogue()
        self._today = today
        self._providers = {name: _provider(name, given, self._known) for name, given in providers.items()}
        every = [one for given in providers.values() for id_ in given.services for _, one in self._known.versions[id_]]
        self._dated = any(one.dated for one in every)

    def find(self, name: str) -> Provider | None:
        """The provider with this MedMij name (without @medmij) and what it offers today, or None."""
        found = self._providers.get(name)
        if found is None or not self._dated:
            return found
        day = self._today()
        offered = {id_: one for id_, one in found.services.items() if self._known.addressed(id_, day)}
        return replace(found, services=offered)

    def names(self) -> tuple[str, ...]:
        """All provider names."""
        return tuple(self._providers)


def _provider(name: str, given: ProviderSettings, known: Catalogue) -> Provider:
    services = {}
    for id_ in given.services:
        _, service = known.service(id_)
        longest = given.subscriptions.get(id_)
        services[id_] = ServiceInfo(
            id_, service.name, Function(service.function), longest, service.group, service.about
        )
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
