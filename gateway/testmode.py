"""What test mode takes from a workbench, when one is installed: this is all that the gateway knows of it.

A workbench is a distribution of its own (medmij-gateway-workbench). It is found by its entry point in the group
``medmij_gateway.workbench`` and is handed to `gateway.app.create_app`; production never looks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from starlette.routing import BaseRoute

from gateway.collect.pipeline import Around
from gateway.settings import Settings, SettingsError

GROUP = "medmij_gateway.workbench"
NO_PROVIDERS = (
    "providers: none configured; test mode takes those of the workbench, which is not installed: "
    "pip install 'medmij-gateway[workbench]'"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a workbench puts around one gateway: ``around`` every source's adapter, and ``routes`` after its own."""

    around: Around = lambda adapter: adapter
    routes: Sequence[BaseRoute] = ()


class Workbench(Protocol):
    """Test providers, lists and persons, and the pages to visit them with."""

    @property
    def store(self) -> str:
        """The database URL of its demo, when the settings name none."""

    def complete(self, settings: Settings, *, everything: bool) -> Settings:
        """The settings, and what they leave open filled in: providers, lists, test login, local redirects.

        ``everything`` lets one provider offer every service that the gateway knows, so that any test set can be tried;
        without it each offers what it has data for.
        """

    def stage(self, settings: Settings, *, demo: bool) -> Stage:
        """The start page and the test login for these (completed) settings; with ``demo`` its PGO and its EHRs too."""


def installed(settings: Settings) -> Workbench | None:
    """The workbench of this environment; None when there is none, and always in production.

    Raises SettingsError when it is there and cannot be loaded.
    """
    if settings.mode != "test":
        return None
    for point in entry_points(group=GROUP):
        try:
            found: Workbench = point.load()
        except Exception as fault:
            raise SettingsError(f"the workbench {point.value} cannot be loaded: {fault}") from fault
        return found
    return None


def completed(settings: Settings, workbench: Workbench | None, *, everything: bool = True) -> Settings:
    """The settings as test mode completes them. Raises SettingsError when production is given a workbench."""
    if workbench is None:
        return settings
    if settings.mode != "test":
        raise SettingsError("mode: production takes nothing from a workbench")
    return workbench.complete(settings, everything=everything)
