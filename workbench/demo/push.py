"""Institutions of the demo whose system pushes: their records come in through the intake listener, as for anyone."""

from collections.abc import Iterable

import httpx

from gateway.intake.settings import IntakeSettings, OpenLogin, SourceSettings
from gateway.settings import Settings
from gateway.wiring.intake import wire_intake
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from workbench.demo.world import World

PUSHING = frozenset({"geboortepraktijkdelinde"})
"""Providers whose own system pushes what it knows."""


async def push(settings: Settings, world: World) -> int:
    """Push every record of these providers; the number of resources that were taken.

    Raises ValueError when one was not: the world is ours, so that is our mistake.
    """
    chosen = [provider for provider in world.providers if provider.name in PUSHING]
    sources = {
        one.source: SourceSettings(provider=one.name, fhir=FhirVersion.STU3, auth=OpenLogin(kind="none"))
        for one in chosen
    }
    made = wire_intake(settings.model_copy(update={"intake": IntakeSettings(sources=sources)}))
    count = 0
    try:
        # In process: the records are not worth a port, and everything behind the socket is the real thing.
        async with httpx.AsyncClient(transport=httpx.ASGITransport(made.app), base_url="http://intake") as http:
            for provider in chosen:
                resources = world.resources_of(provider.name, FhirVersion.STU3)
                body = jsonio.dump(transaction(resources))
                headers = {"content-type": "application/fhir+json; fhirVersion=3.0"}
                answer = await http.post(f"/intake/{provider.source}", content=body, headers=headers)
                if answer.status_code != 200:
                    raise ValueError(f"{provider.name}: the push was refused with {answer.status_code}")
                count += len(resources)
    finally:
        await made.close()
    return count


def transaction(resources: Iterable[Resource]) -> Resource:
    """A transaction Bundle that puts every resource under its own id."""
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
