"""What one version of a standard changes against another: rows, profiles, packages, services and their days."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from profiles.standards.model import RequestRule, Service, Standard


def changes(old: Standard, new: Standard) -> list[str]:
    """Every difference that a client or a provider notices, one line each; empty when there is none."""
    return [*_services(old, new), *_packages(old.packages, new.packages), *_rows(old, new), *_reads(old, new)]


def announced(service: Service) -> str:
    """The days of a service in words; empty for one that is in force for ever."""
    start = f" from {service.valid_from}" if service.valid_from else ""
    return start + (f" until {service.valid_until}" if service.valid_until else "")


def _services(old: Standard, new: Standard) -> Iterator[str]:
    before, after = ({one.id: one for one in standard.services} for standard in (old, new))
    for id_ in before.keys() - after.keys():
        yield f"service {id_} is not in the new version{announced(before[id_])}"
    for id_ in after.keys() - before.keys():
        yield f"service {id_} is new{announced(after[id_])}"
    for id_ in sorted(before.keys() & after.keys()):
        if announced(before[id_]) != announced(after[id_]):
            days = [announced(one).strip() or "for ever" for one in (before[id_], after[id_])]
            yield f"service {id_} is in force {days[1]}, was {days[0]}"
        if before[id_].version != after[id_].version:
            yield f"service {id_}: version {after[id_].version or 'none'}, was {before[id_].version or 'none'}"
            yield from _together(before[id_], after[id_])
        if before[id_].roles != after[id_].roles:
            yield f"service {id_}: roles {', '.join(after[id_].roles)}, were {', '.join(before[id_].roles)}"


def _together(before: Service, after: Service) -> Iterator[str]:
    """In which days both versions of a service are offered."""
    first, last = after.valid_from, before.valid_until
    if first is not None and last is not None and last < first:
        yield f"service {after.id}: no day on which both versions are in force"
    else:
        days = announced(replace(after, valid_from=first, valid_until=last)) or " for ever"
        yield f"service {after.id}: both versions are in force{days}; the new one is at {after.id}.{after.version}"


def _packages(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"package {name}: {new.get(name, 'none')}, was {old.get(name, 'none')}"


def _rows(old: Standard, new: Standard) -> Iterator[str]:
    before, after = ({rule.id: rule for rule in standard.rules} for standard in (old, new))
    for id_ in before:
        if id_ not in after:
            yield f"row {id_} is gone: {_asked(before[id_])}"
    for id_, rule in after.items():
        if id_ not in before:
            yield f"row {id_} is new: {_asked(rule)}"
            continue
        if _asked(rule) != _asked(before[id_]):
            yield f"row {id_} asks {_asked(rule)}, asked {_asked(before[id_])}"
        if rule.profiles != before[id_].profiles:
            yield f"row {id_}: profiles {', '.join(rule.profiles)}, were {', '.join(before[id_].profiles)}"


def _reads(old: Standard, new: Standard) -> Iterator[str]:
    for kind in sorted(old.reads.keys() - new.reads.keys()):
        yield f"{kind} can no longer be read"
    for kind in sorted(new.reads.keys() - old.reads.keys()):
        yield f"{kind} can be read"


def _asked(rule: RequestRule) -> str:
    query = "&".join(str(one) for one in rule.required)
    return f"{rule.method} {rule.path}" + (f"?{query}" if query else "")
