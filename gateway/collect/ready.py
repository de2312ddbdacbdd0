"""Whether a data service can be delivered now: what its sources are good for, and which of them are not asked."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, Field

from gateway.calendar import Today
from gateway.collect.fanout import GuardedSource
from gateway.collect.pipeline import Sources
from gateway.sections import ProviderSettings
from profiles.standards.load import Catalogue
from profiles.standards.model import Service, Standard

State = Literal["ready", "partly", "down", "not in force"]


class ServiceReadiness(BaseModel):
    """One data service of one provider."""

    provider: str
    service: str
    status: State = Field(description="partly: a source of it is not asked at the moment; down: none of them is")
    sources: dict[str, Literal["ready", "down"]] = Field(description="the live sources that deliver it")


def readiness(
    providers: Mapping[str, ProviderSettings], sources: Mapping[str, Sources], catalogue: Catalogue, today: Today
) -> Iterator[ServiceReadiness]:
    """Every service on offer. A service that comes from the store is as ready as the store is."""
    for name, given in providers.items():
        for id_ in given.services:
            live = {
                source.adapter.name: source.breaker.closed
                for source in sources[name].live.sources
                if any(_delivers(source, catalogue, *one) for one in catalogue.versions[id_])
            }
            state: State = "not in force"
            if catalogue.addressed(id_, today()):
                up = sum(live.values()) + sources[name].store
                state = "ready" if all(live.values()) else "partly" if up else "down"
            shown = {one: "ready" if closed else "down" for one, closed in live.items()}
            yield ServiceReadiness.model_validate({"provider": name, "service": id_, "status": state, "sources": shown})


def _delivers(source: GuardedSource, catalogue: Catalogue, offering: Standard, service: Service) -> bool:
    standard = catalogue.delivering(offering, service)
    able = source.adapter.capabilities
    return any(
        able.of(standard.id, rule.id, standard.fhir, rule.type or "").level != "no"
        for rule in (offering.rules_of(service) if standard is offering else standard.rules)
    )
