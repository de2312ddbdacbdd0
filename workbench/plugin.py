"""What the gateway finds by entry point: the workbench of test mode. Implements ``gateway.testmode.Workbench``."""

from pathlib import Path
from typing import Any

from gateway.settings import Settings
from gateway.testmode import Stage

LISTS = Path(__file__).parent / "demo" / "lists"
"""The fictitious national lists."""


class DemoWorkbench:
    """The demo world. What is configured stays as it is; what is left open is filled in."""

    store = "sqlite:///var/demo-live.db"
    """The store of the demo that is served, when the settings name none: apart from what is imported by hand."""

    def complete(self, settings: Settings, *, everything: bool) -> Settings:
        """The settings with the institutions of the demo world, its lists, its test login and its PGO's address."""
        # Imported late: most commands need nothing of the world.
        from workbench.demo.providers import providers

        update: dict[str, Any] = {}
        if not settings.providers:
            update["providers"] = providers(everything)
        if settings.lists.source is None:
            update["lists"] = settings.lists.model_copy(update={"source": "files", "folder": LISTS})
        base, given = settings.base_url, settings.auth.model_fields_set
        auth: dict[str, Any] = {}
        if "issuer" not in settings.auth.login.model_fields_set:
            auth["login"] = settings.auth.login.model_copy(update={"issuer": f"{base}/idp"})
        if "local_redirects" not in given:
            auth["local_redirects"] = {
                "pgo.demo.example": (f"{base}/demo-pgo/callback",),
                "openapi.demo.example": (f"{base}/docs/oauth2-redirect",),
            }
        if auth:
            update["auth"] = settings.auth.model_copy(update=auth)
        if not everything and "own_record" not in settings.model_fields_set:
            # The demo shows every page that there is.
            update["own_record"] = settings.own_record.model_copy(update={"enabled": True})
        if not everything and "staff" not in settings.model_fields_set:
            from workbench.demo.colleagues import staff_settings

            update["staff"] = staff_settings(base)
        return settings.model_copy(update=update)

    def stage(self, settings: Settings, *, demo: bool) -> Stage:
        """The start page, the test login and the handbook; with ``demo`` the demo PGO and the simulated EHRs."""
        from workbench.demo.app import routes, simulated

        if not demo:
            return Stage(routes=routes(settings, visits=False))
        switches = simulated(settings)
        return Stage(switches.around, routes(settings, switches, visits=True))


workbench = DemoWorkbench()
