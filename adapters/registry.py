"""Which adapters there are. The house's own come through the same door as a third party's: an entry point.

A package ships an adapter by an entry point in the group ``medmij_gateway.adapters`` whose name is the ``type`` in
the settings, and whose object is an `AdapterType`::

    [project.entry-points."medmij_gateway.adapters"]
    acme = "acme_gateway:adapter"
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from adapters.port import Adapter, AdapterMisconfigured
from adapters.settings import AdapterSettings

GROUP = "medmij_gateway.adapters"

HOUSE = {
    "fhir": "adapters.fhir_http.plugin:adapter",
    "sql": "adapters.sql.plugin:adapter",
    "files": "adapters.files.plugin:adapter",
    "documents": "adapters.documents.plugin:adapter",
}
"""The house's own entry points, as pyproject.toml declares them; they hold also when the package is not installed."""

log = logging.getLogger(__name__)

S = TypeVar("S", bound=AdapterSettings)


@dataclass(frozen=True, slots=True)
class AdapterType(Generic[S]):
    """One kind of adapter: its settings, and how to make one from them.

    ``make`` opens nothing (no connection, no thread): a source that is down must not keep the gateway from starting.
    It raises `AdapterMisconfigured` for settings that cannot work. ``summary`` is one line for ``gateway adapters``.
    """

    settings: type[S]
    make: Callable[[S], Adapter]
    summary: str = ""


def known(extra: Iterable[EntryPoint] | None = None) -> dict[str, EntryPoint]:
    """The adapter types that are installed, by name; nothing is imported yet. The house's names cannot be taken."""
    points = {name: EntryPoint(name, target, GROUP) for name, target in HOUSE.items()}
    for point in entry_points(group=GROUP) if extra is None else extra:
        if point.name not in points:
            points[point.name] = point
        elif point.value != points[point.name].value:
            log.warning("adapter type %s of another package is not used: the name is taken", point.name)
    return points


def load(name: str, points: Mapping[str, EntryPoint] | None = None) -> AdapterType[Any]:
    """Import one adapter type. Raises `AdapterMisconfigured` when there is none, or it cannot be imported."""
    available = known() if points is None else points
    if name not in available:
        choices = ", ".join(sorted(available))
        raise AdapterMisconfigured(f"there is no adapter type {name!r}; installed are {choices}")
    try:
        loaded = available[name].load()
    except Exception as error:
        raise AdapterMisconfigured(f"adapter type {name!r} cannot be imported", cause=error) from error
    if not isinstance(loaded, AdapterType):
        raise AdapterMisconfigured(f"adapter type {name!r} is not an AdapterType")
    return loaded


def build(raw: Mapping[str, Any], points: Mapping[str, EntryPoint] | None = None) -> Adapter:
    """Make an adapter from one table of the configuration (``type`` decides which fields there are).

    Raises `AdapterMisconfigured` with one clear line that names the source and the field, never its value.
    """
    kind = raw.get("type")
    if not isinstance(kind, str):
        raise AdapterMisconfigured("a source needs a type")
    plugin = load(kind, points)
    try:
        settings = plugin.settings.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "settings"
        raise AdapterMisconfigured(f"source {raw.get('name', '?')!r} ({kind}): {place}: {first['msg']}") from None
    return plugin.make(settings)
