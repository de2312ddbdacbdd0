"""What test mode adds to the gateway: a start page, the test identity provider, and with the demo world its PGO."""

from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route

from auth.ports import Representation
from gateway.settings import Settings, authorization
from gateway.version import SOFTWARE
from workbench.demo import directory, handbook
from workbench.demo.colleagues import staff_login
from workbench.demo.ehr import pages as ehr
from workbench.demo.ehr.switches import Switches
from workbench.demo.world import FOLDER, World, WorldPerson, load
from workbench.idp.provider import TestPerson, TestProvider

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "referrer-policy": "no-referrer", "cache-control": "no-store"}
TEMPLATES = Path(__file__).parent / "templates"


def simulated(settings: Settings) -> Switches:
    """The switches of the demo's sources; their adapters are made with them (`Switches.around`)."""
    return ehr.simulated(settings, load(datetime.now(UTC).date()))


def routes(settings: Settings, switches: Switches | None = None, *, visits: bool) -> list[Route | Mount]:
    """The routes of test mode; ``visits`` adds the demo PGO, ``switches`` the page of the simulated EHRs."""
    world = load(datetime.now(UTC).date())
    pages = Environment(
        loader=PackageLoader("workbench.demo"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    persons = _persons(world)
    section = authorization(settings)

    async def start(_request: Request) -> Response:
        page = pages.get_template("start.html").render(
            software=SOFTWARE,
            visits=visits,
            persons=persons if visits else [],
            providers=directory.providers(settings, world),
            directory=directory.ADDRESS,
            documentation=handbook.HOME if handbook.available() else "",
        )
        return HTMLResponse(page, headers=HEADERS)

    async def style(_request: Request) -> Response:
        return FileResponse(TEMPLATES / "start.css", media_type="text/css")

    async def logo(request: Request) -> Response:
        known = {provider.name: provider.logo for provider in world.providers}
        made = known.get(request.path_params["provider"])
        if made is None:
            return Response(status_code=404)
        return FileResponse(FOLDER / made, media_type="image/svg+xml", headers=HEADERS)

    idp = TestProvider(section.login, _test_persons(world), [f"{settings.base_url}/login/callback"])
    made: list[Route | Mount] = [
        Route("/", start),
        Route("/demo/start.css", style),
        Route("/static/{provider}/logo.svg", logo),
        Mount("/idp", idp.app),
        *([Mount("/staff-idp", staff_login(settings))] if settings.staff.enabled else []),
        *directory.routes(settings, world, switches),
    ]
    if handbook.available():
        made += handbook.routes(pages, HEADERS)
    if switches is not None:
        made += ehr.routes(switches, pages, HEADERS)
    if visits:
        from workbench.demo.pgo.app import app as pgo

        made.append(Mount("/demo-pgo", pgo(settings.base_url, representing=section.representation)))
    return made


def _persons(world: World) -> list[dict[str, str]]:
    names = {provider.name: provider.display for provider in world.providers}
    shown = []
    for person in world.persons:
        known = [names[record.provider] for record in world.records if record.person == person.id]
        shown.append(
            {
                "name": person.name,
                "born": str(person.born),
                "providers": ", ".join(known),
                "story": person.story,
                "acts_for": ", ".join(other.name for other in world.persons if _acts(person, other)),
            }
        )
    return shown


def _test_persons(world: World) -> list[TestPerson]:
    return [
        TestPerson(
            person.bsn,
            person.name,
            person.born,
            person.story,
            {other.bsn: kind for other in world.persons for kind in _acts(person, other)},
        )
        for person in world.persons
    ]


def _acts(person: WorldPerson, other: WorldPerson) -> list[Representation]:
    """On which grounds the person may act for the other one."""
    return [kind for actor, kind in other.representatives if actor == person.id]
