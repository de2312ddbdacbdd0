"""Which part of the world stands in a simulated EHR, and which part in the store: no fact in both (division.toml)."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from gateway.collect.ids import served_id
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.walk import references
from profiles.rows import read
from workbench.demo.world import World, WorldRecord

Key = tuple[str, str]

HOSPITAL, EPD = "ziekenhuiszandoord", "epd"
"""The provider whose BgZ comes out of the SQL sample, and the name of that source."""

GGZ, ECD = "ggzmerwerand", "ecd"
"""The provider whose data all come from a simulated FHIR server, and the name of that source."""

LIVE: Mapping[str, str] = {HOSPITAL: EPD, GGZ: ECD}
"""The providers with a live source, and its name."""

_FILE = Path(__file__).parent / "division.toml"


@dataclass(frozen=True, slots=True)
class Division:
    """What the EHRs deliver live. ``moved`` gives per person the key in the world and the id that is served instead."""

    moved: Mapping[str, Mapping[Key, str]]

    def whole(self, provider: str) -> bool:
        """Whether everything of a provider is live."""
        return provider == GGZ

    def patient(self, record: WorldRecord) -> str | None:
        """The served id of the person's Patient at the hospital's EHR; None when the EHR does not know the person."""
        mine = self.moved.get(record.person, {}) if record.provider == HOSPITAL else {}
        return next((id_ for (type_, _), id_ in mine.items() if type_ == "Patient"), None)

    def stored(self, world: World, provider: str, version: FhirVersion) -> list[Resource]:
        """The resources of a provider that belong in the store, their references to what is live made to fit."""
        if self.whole(provider):
            return []
        resources = list(world.resources_of(provider, version))
        if provider != HOSPITAL or version is not FhirVersion.STU3:
            return resources
        moved = {key: id_ for table in self.moved.values() for key, id_ in table.items()}
        kept = deepcopy([one for one in resources if (one["resourceType"], one["id"]) not in moved])
        for node in references(kept):
            key = local_reference(node["reference"])
            if key in moved:
                node["reference"] = f"{key[0]}/{moved[key]}"
        return kept

    def owners(self, world: World, provider: str, version: FhirVersion) -> dict[Key, str]:
        """Whose the stored resources are whose Patient is not in the store."""
        found: dict[Key, str] = {}
        for record in world.records:
            id_ = self.patient(record) if (record.provider, record.version) == (provider, version) else None
            if id_ is not None:
                found |= {(one["resourceType"], one["id"]): id_ for one in record.resources}
        return found


def division() -> Division:
    """Read division.toml."""
    tables = read(_FILE, dict[str, dict[str, str]])
    return Division(
        {
            person: {(type_, id_): served_id(EPD, given) for (type_, _, id_), given in _split(table)}
            for person, table in tables.items()
        }
    )


def _split(table: Mapping[str, str]) -> list[tuple[tuple[str, str, str], str]]:
    return [(key.partition("/"), given) for key, given in table.items()]
