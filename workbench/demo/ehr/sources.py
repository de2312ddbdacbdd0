"""The demo's configuration with live sources: what an operator would write in the settings, made for the demo world."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from adapters.sql import sample
from gateway.settings import Settings
from workbench.demo.ehr.division import ECD, EPD, GGZ, HOSPITAL
from workbench.demo.ehr.hospital import fill
from workbench.demo.providers import providers

PREFIX = "/demo-ehr"
"""Where the simulated EHRs are, in the demo's own address."""


def with_live_sources(settings: Settings, folder: Path, day: date) -> Settings:
    """The settings with the demo's providers, two of which have live sources; ``folder`` gets the hospital's database.

    Acting for somebody else is on, where a provider of the demo world allows it. Providers that are configured already
    are left as they are, and so is the rest of the settings then.
    """
    if settings.providers:
        return settings
    url = fill(folder / "epd.db", day)
    sources: Mapping[str, tuple[dict[str, Any], ...]] = {
        HOSPITAL: ({"type": "sql", "name": EPD, "url": url, "mapping": str(sample.MAPPING)}, {"type": "store"}),
        # No repairs: what is wrong in this EHR is to be seen.
        GGZ: ({"type": "fhir", "name": ECD, "url": address(settings, ECD), "version": "stu3", "repairs": []},),
    }
    living = {
        name: given.model_copy(update={"sources": sources.get(name, given.sources)})
        for name, given in providers(everything=False).items()
    }
    section = settings.auth.model_copy(update={"representation": True})
    return settings.model_copy(update={"providers": living, "auth": section})


def address(settings: Settings, source: str) -> str:
    """The FHIR base of a simulated EHR, on the loopback interface when the gateway listens on every one."""
    host = settings.listen.host if settings.listen.host not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104
    return f"http://{host}:{settings.listen.port}{PREFIX}/{source}"
