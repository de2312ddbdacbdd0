"""/demo-ehr: the switches as a page of plain buttons, and behind it the simulated FHIR servers. Test mode only."""

from collections.abc import Mapping

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.testing.fake_ehr import FakeEhr
from gateway.metrics import exposition
from gateway.settings import Settings
from workbench.demo.ehr.division import ECD, GGZ
from workbench.demo.ehr.sources import PREFIX
from workbench.demo.ehr.switches import Switch, Switches
from workbench.demo.world import World

LABELS: Mapping[Switch, tuple[str, str]] = {
    Switch.NORMAL: ("Normaal", "Het bronsysteem antwoordt goed."),
    Switch.SLOW: ("Traag", "Het antwoord komt te laat."),
    Switch.DOWN: ("Uit", "Het bronsysteem geeft geen gegevens."),
    Switch.GARBAGE: ("Onleesbaar", "Het antwoord is onzin."),
    Switch.WRONG_PATIENT: ("Verkeerde patiënt", "In het antwoord zit een gegeven van iemand anders."),
    Switch.HALF: ("Half", "Het bronsysteem breekt halverwege af."),
}


def simulated(settings: Settings, world: World) -> Switches:
    """The switches of the configured sources, with the simulated FHIR servers that the demo world needs."""
    given = settings.providers.get(GGZ)
    wanted = given is not None and any(raw.get("name") == ECD for raw in given.sources)
    servers = {ECD: FakeEhr(world.resources_of(GGZ))} if wanted else {}
    return Switches(servers)


def routes(switches: Switches, pages: Environment, headers: Mapping[str, str]) -> list[Route | Mount]:
    """The page, the address that throws a switch, and the FHIR servers."""

    async def show(_request: Request) -> Response:
        rows = [(name, switches.of(name)) for name in switches.names]
        page = pages.get_template("ehr.html").render(rows=rows, labels=LABELS)
        return HTMLResponse(page, headers=dict(headers))

    async def throw(request: Request) -> Response:
        try:
            switches.throw(request.path_params["source"], Switch(request.path_params["switch"]))
        except (KeyError, ValueError):
            return HTMLResponse("Dit bronsysteem of deze stand is er niet.", 404, headers=dict(headers))
        return RedirectResponse(f"{PREFIX}/", 303, dict(headers))

    async def state(_request: Request) -> Response:
        calls = {name: len(server.calls) for name, server in switches.servers.items()}
        return JSONResponse({"switches": {name: switches.of(name) for name in switches.names}, "calls": calls})

    return [
        Route(PREFIX, show),
        Route(f"{PREFIX}/", show),
        Route(f"{PREFIX}/state", state),
        Route(f"{PREFIX}/metrics", exposition),
        Route(f"{PREFIX}/{{source}}/switch/{{switch}}", throw, methods=["POST"]),
        *(Mount(f"{PREFIX}/{name}", _below(f"{PREFIX}/{name}", server)) for name, server in switches.servers.items()),
    ]


def _below(prefix: str, app: ASGIApp) -> ASGIApp:
    """The application with paths as it knows them."""

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        # The switches of the simulated server are thrown by the page, which knows who may.
        inner = path.removeprefix(prefix).replace("/_fault", "/fault")
        await app({**scope, "path": inner, "root_path": ""}, receive, send)

    return mounted
