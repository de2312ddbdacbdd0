"""What changed between two copies of a list, in words that an operator can act on."""

from collections.abc import Callable, Mapping, Sequence

from auth.clients.model import (
    AnyList,
    ListedClient,
    ListedProvider,
    ListedService,
    OAuthClientList,
    ProviderList,
    ServiceNameList,
)


def differences(old: AnyList | None, new: AnyList) -> tuple[str, ...]:
    """Every change from `old` to `new`, one sentence each, in a fixed order; empty when the entries are equal.

    A first copy (`old` is None) gives one sentence with the number of entries.
    """
    if old is None:
        return (f"first copy, {len(new)} entries",)
    if isinstance(old, OAuthClientList) and isinstance(new, OAuthClientList):
        return _changes("client", old, new, _client)
    if isinstance(old, ProviderList) and isinstance(new, ProviderList):
        return _changes("provider", old, new, _provider)
    if isinstance(old, ServiceNameList) and isinstance(new, ServiceNameList):
        return _changes("name of service", old, new, lambda before, after: [f'was "{before}", now "{after}"'])
    return _changes("host", old, new, lambda before, after: [])


def _changes(
    noun: str,
    old: Mapping[str, object],
    new: Mapping[str, object],
    inside: Callable[..., Sequence[str]],
) -> tuple[str, ...]:
    gone = [f"{noun} {key} disappeared" for key in sorted(old.keys() - new.keys())]
    come = [f"{noun} {key} appeared" for key in sorted(new.keys() - old.keys())]
    changed = [
        f"{noun} {key}: {sentence}"
        for key in sorted(old.keys() & new.keys())
        if old[key] != new[key]
        for sentence in inside(old[key], new[key])
    ]
    return (*gone, *come, *changed)


def _client(old: ListedClient, new: ListedClient) -> list[str]:
    changes: list[str] = []
    if old.organisation != new.organisation:
        changes.append(f'organisation was "{old.organisation}", now "{new.organisation}"')
    if new.services is None or old.services is None:
        if old.services != new.services:
            changes.append("services no longer stated" if new.services is None else "services stated now")
    else:
        changes += [f"service {service} removed" for service in sorted(old.services - new.services)]
        changes += [f"service {service} added" for service in sorted(new.services - old.services)]
    changes += [
        f"notification endpoints of service {service} changed"
        for service in sorted(old.notify.keys() | new.notify.keys())
        if old.notify.get(service) != new.notify.get(service)
    ]
    return changes


def _provider(old: ListedProvider, new: ListedProvider) -> list[str]:
    changes: list[str] = []
    if old.kind != new.kind:
        changes.append(f"kind was {old.kind}, now {new.kind}")
    changes += [
        f"interface version {version} removed" for version in sorted(old.interfaces.keys() - new.interfaces.keys())
    ]
    changes += [
        f"interface version {version} added" for version in sorted(new.interfaces.keys() - old.interfaces.keys())
    ]
    for version in sorted(old.interfaces.keys() & new.interfaces.keys()):
        before, after = old.interfaces[version], new.interfaces[version]
        changes += [f"service {service} removed" for service in sorted(before.keys() - after.keys())]
        changes += [f"service {service} added" for service in sorted(after.keys() - before.keys())]
        for service in sorted(before.keys() & after.keys()):
            changes += [f"service {service}: {sentence}" for sentence in _service(before[service], after[service])]
    return changes


def _service(old: ListedService, new: ListedService) -> list[str]:
    changes: list[str] = []
    if old.authorization_endpoint != new.authorization_endpoint:
        changes.append(f"authorization endpoint is now {new.authorization_endpoint}")
    if old.token_endpoint != new.token_endpoint:
        changes.append(f"token endpoint is now {new.token_endpoint}")
    if old.subscribe != new.subscribe:
        changes.append("subscriptions changed")
    changes += [f"system role {role} removed" for role in sorted(old.roles.keys() - new.roles.keys())]
    changes += [f"system role {role} added" for role in sorted(new.roles.keys() - old.roles.keys())]
    changes += [
        f"resource endpoint of {role} is now {new.roles[role]}"
        for role in sorted(old.roles.keys() & new.roles.keys())
        if old.roles[role] != new.roles[role]
    ]
    return changes
