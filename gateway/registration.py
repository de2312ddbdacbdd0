"""What the national lists should say of us (IFV-04), from our own configuration."""

from urllib.parse import urlsplit

from auth.clients.lists import Lists
from auth.clients.notices import Notice, Notify
from auth.clients.selfcheck import Ourselves, OwnService, registration_notices
from gateway.calendar import today_here
from gateway.settings import Settings, authorization
from profiles.standards.load import catalogue

INTERFACE = "2"
"""The interface version that our endpoints speak (VER-01, VER-03)."""


def ourselves(settings: Settings) -> Ourselves:
    """Hosts, providers, services and endpoints as configured. Services with a test number are never registered."""
    front, back = authorization(settings).base_url.rstrip("/"), settings.base_url
    known, day = catalogue(), today_here()
    services = {}
    for name, provider in settings.providers.items():
        own = {}
        for id_ in provider.services:
            _, service = known.service(id_)
            # Before its first and after its last day a service need not be on the list.
            if not service.test and service.valid_on(day):
                roles = dict.fromkeys(service.roles, f"{back}/{name}/{id_}/fhir")
                own[id_] = OwnService(f"{front}/oauth/authorize", f"{back}/oauth/token", roles)
        services[f"{name}@medmij"] = own
    hosts = frozenset(urlsplit(base).hostname or "" for base in (front, back))
    return Ourselves(hosts, INTERFACE, services)


def registration_alarms(settings: Settings, lists: Lists) -> tuple[Notice, ...]:
    """Every difference between the lists and our configuration, as alarms.

    None while our address is not https: such a gateway (the demo, a test) cannot be registered.
    """
    if not settings.base_url.startswith("https://"):
        return ()
    return registration_notices(ourselves(settings), lists.providers, lists.whitelist, lists.names)


class RegistrationWatch:
    """Tells each difference once, when it appears; for `Puller(after=...)`."""

    def __init__(self, settings: Settings, notify: Notify) -> None:
        self._settings = settings
        self._notify = notify
        self._told: frozenset[str] = frozenset()

    def __call__(self, lists: Lists) -> None:
        """Look at the lists as they are now."""
        found = registration_alarms(self._settings, lists)
        for notice in found:
            if notice.text not in self._told:
                self._notify(notice)
        self._told = frozenset(notice.text for notice in found)
