"""What there is to try on a gateway in test mode: providers, persons and faults, each with where it is found."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from auth.metadata import WELL_KNOWN
from gateway.settings import Settings
from profiles.standards.load import catalogue
from workbench.demo.ehr.sources import PREFIX
from workbench.demo.ehr.switches import Switch, Switches
from workbench.demo.world import World

ADDRESS = "/demo/world.json"


def providers(settings: Settings, world: World) -> list[dict[str, Any]]:
    """Every provider with its services, where each is, and the names of the persons that it knows."""
    known, base = catalogue(), settings.base_url
    persons = {provider.name: [one.name for one in world.patients_of(provider.name)] for provider in world.providers}
    return [
        {
            "name": name,
            "display": given.display_name,
            "docs": f"{base}/docs?provider={name}",
            "persons": persons.get(name, []),
            "services": [
                {
                    "id": id_,
                    "name": known.service(id_)[1].name,
                    "fhir": known.service(id_)[0].fhir.number,
                    "base": f"{base}/{name}/{id_}/fhir",
                    "metadata": f"{base}/{name}/{id_}/fhir/metadata",
                }
                for id_ in given.services
            ],
        }
        for name, given in settings.providers.items()
    ]


def persons(world: World) -> list[dict[str, Any]]:
    """Every person who can log in: invented, all of them."""
    return [
        {
            "name": person.name,
            "born": person.born.isoformat(),
            "known_at": [one.name for one in world.providers if person in world.patients_of(one.name)],
            "defects": person.defects,
            "story": person.story,
        }
        for person in world.persons
    ]


def faults(settings: Settings, switches: Switches | None) -> list[dict[str, Any]]:
    """Every simulated source with the switches that it has; none without the demo."""
    return [
        {
            "source": name,
            "page": f"{settings.base_url}{PREFIX}/",
            "switches": {one.value: f"{settings.base_url}{PREFIX}/{name}/switch/{one.value}" for one in Switch},
        }
        for name in (switches.names if switches else ())
    ]


def routes(settings: Settings, world: World, switches: Switches | None) -> list[Route]:
    """The directory as JSON."""
    # Only faults change with the process; the rest stands with the settings and the world.
    fixed: Mapping[str, Any] = {
        "metadata": f"{settings.base_url}{WELL_KNOWN}",
        "openapi": f"{settings.base_url}/openapi.json",
        "providers": providers(settings, world),
        "persons": persons(world),
    }

    async def listed(_request: Request) -> Response:
        return JSONResponse({**fixed, "faults": faults(settings, switches)})

    return [Route(ADDRESS, listed)]
