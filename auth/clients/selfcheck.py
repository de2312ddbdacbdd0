"""Whether the provider list says of us what we are (IFV-04)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from auth.clients.model import HostWhitelist, ListedService, ListKind, ProviderList, ServiceNameList
from auth.clients.notices import Notice, NoticeType


@dataclass(frozen=True, slots=True)
class OwnService:
    """A service as our configuration publishes it."""

    authorization_endpoint: str
    token_endpoint: str
    roles: Mapping[str, str]
    """Resource endpoint by system role code."""


@dataclass(frozen=True, slots=True)
class Ourselves:
    """Who we are by our own configuration."""

    hosts: frozenset[str]
    """Host names of front and back channel."""
    interface: str
    """The interface version that these services speak, `2` (VER-03)."""
    services: Mapping[str, Mapping[str, OwnService]]
    """Services by id, by provider name with the suffix `@medmij`."""


def registration_faults(
    ours: Ourselves, providers: ProviderList, whitelist: HostWhitelist, names: ServiceNameList
) -> tuple[str, ...]:
    """Every difference between the lists and our configuration, one sentence each.

    Only entries that point to our hosts are looked at, and what we publish but the list lacks. Interface versions
    other than ours are looked at for their hosts alone: nobody answers there.
    """
    faults = [f"host {host} is not on the whitelist" for host in sorted(ours.hosts) if not whitelist.holds(host)]
    for name in sorted(providers.keys() | ours.services.keys()):
        listed = providers[name].interfaces if name in providers else {}
        for version in sorted(listed.keys() - {ours.interface}):
            faults += [
                f"{name}, interface {version}, service {service.id}: points to us, but we do not speak that version"
                for service in listed[version].values()
                if _hosts(service) & ours.hosts
            ]
        faults += _provider(name, ours, listed.get(ours.interface, {}))
    offered = {service for services in ours.services.values() for service in services}
    faults += [f"service {service} has no name on the list of names" for service in sorted(offered - names.keys())]
    return tuple(faults)


def registration_notices(
    ours: Ourselves, providers: ProviderList, whitelist: HostWhitelist, names: ServiceNameList
) -> tuple[Notice, ...]:
    """The same as alarms."""
    return tuple(
        Notice(NoticeType.REGISTRATION_DIFFERS, ListKind.PROVIDERS, fault, providers.heading.number)
        for fault in registration_faults(ours, providers, whitelist, names)
    )


def _provider(name: str, ours: Ourselves, listed: Mapping[str, ListedService]) -> Iterator[str]:
    own = ours.services.get(name, {})
    for service in sorted(own.keys() | listed.keys()):
        where = f"{name}, service {service}"
        if service not in listed:
            yield f"{where}: we offer it, the list does not have it"
        elif service in own:
            yield from (f"{where}: {fault}" for fault in _service(own[service], listed[service]))
        elif _hosts(listed[service]) & ours.hosts:
            yield f"{where}: the list points to us, but we do not offer it"


def _service(own: OwnService, listed: ListedService) -> Iterator[str]:
    if listed.authorization_endpoint != own.authorization_endpoint:
        yield f"authorization endpoint {listed.authorization_endpoint}, ours is {own.authorization_endpoint}"
    if listed.token_endpoint != own.token_endpoint:
        yield f"token endpoint {listed.token_endpoint}, ours is {own.token_endpoint}"
    for role in sorted(own.roles.keys() | listed.roles.keys()):
        here, there = own.roles.get(role, "not offered"), listed.roles.get(role, "not listed")
        if here != there:
            yield f"system role {role}: {there}, ours is {here}"


def _hosts(service: ListedService) -> frozenset[str]:
    uris = (service.authorization_endpoint, service.token_endpoint, *service.roles.values())
    return frozenset(urlsplit(uri).hostname or "" for uri in uris)
