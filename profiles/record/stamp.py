"""The parts of ``meta`` that belong to the server: ``versionId`` and ``lastUpdated`` (FHIR http, update and create).

What a source says there is about its own server. It stays in the received bytes, which are kept; what is served states
our version, since when, so that ``_lastUpdated`` finds what came in since.
"""

from datetime import datetime
from functools import lru_cache

from profiles.fhir.tree import Resource
from profiles.record.repair import Repair

SERVER_OWNED = ("versionId", "lastUpdated")


@lru_cache(maxsize=64)
def moment(at: datetime) -> str:
    """A moment in UTC as a FHIR instant, in milliseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def unstamp(resource: Resource) -> list[Repair]:
    """Take away what another server says of its version, in place."""
    meta = resource.get("meta")
    if not isinstance(meta, dict):
        return []
    repairs = []
    for name in SERVER_OWNED:
        found = [meta.pop(one) for one in (name, f"_{name}") if one in meta]
        if found:
            repairs.append(Repair("meta-of-source", f"{resource.get('resourceType')}.meta.{name}"))
    if not meta and repairs:
        del resource["meta"]
    return repairs


def stamp(resource: Resource, version: int, at: datetime) -> None:
    """State which version this is, and since when, in place; ``meta`` comes behind type and id."""
    meta = resource.pop("meta", None)
    rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id")}
    for name in rest:
        del resource[name]
    own = {"versionId": str(version), "lastUpdated": moment(at)}
    resource["meta"] = own | (meta if isinstance(meta, dict) else {})
    resource.update(rest)
