"""What the national lists should say of us (IFV-04), from our own configuration."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from auth.clients.lists import CurrentLists
from auth.clients.notices import Notice, Notify
from auth.clients.selfcheck import Ourselves, OwnService, registration_notices
from gateway.calendar import today_here
from gateway.sections import ProviderSettings
from profiles.standards.load import catalogue

INTERFACE = "2"
"""The interface version that our endpoints speak (VER-01, VER-03)."""


def ourselves(front: str, back: str, providers: Mapping[str, ProviderSettings]) -> Ourselves:
    """Hosts, providers, services and endpoints as configured. Services with a test number are never registered.

    ``front`` and ``back`` are the base URLs of the two channels.
    """
    known, day = catalogue(), today_here()
    services = {}
    for name, provider in providers.items():
        own = {}
        for id_ in provider.services:
            # Before its first and after its last day a service need not be on the list.
            offers = known.addresses(id_, day)
            if offers and not known.service(id_)[1].test:
                roles = {
                    role: f"{back}/{name}/{address}/fhir"
                    for address, (_, service) in reversed(list(offers.items()))
                    for role in service.roles
                }
                own[id_] = OwnService(f"{front}/oauth/authorize", f"{back}/oauth/token", roles)
        services[f"{name}@medmij"] = own
    hosts = frozenset(urlsplit(base).hostname or "" for base in (front, back))
    return Ourselves(hosts, INTERFACE, services)


def registration_alarms(own: Ourselves | None, lists: CurrentLists) -> tuple[Notice, ...]:
    """Every difference between the lists and our configuration, as alarms; none for who cannot be registered."""
    if own is None:
        return ()
    return registration_notices(own, lists.providers, lists.whitelist, lists.names)


class RegistrationWatch:
    """Tells each difference once, when it appears; for `Puller(after=...)`. ``own`` is asked at each look."""

    def __init__(self, own: Callable[[], Ourselves | None], notify: Notify) -> None:
        self._own = own
        self._notify = notify
        self._told: frozenset[str] = frozenset()

    def __call__(self, lists: CurrentLists) -> None:
        """Look at the lists as they are now."""
        found = registration_alarms(self._own(), lists)
        for notice in found:
            if notice.text not in self._told:
                self._notify(notice)
        self._told = frozenset(notice.text for notice in found)
