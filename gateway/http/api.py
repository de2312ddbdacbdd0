"""The typed JSON APIs of the public application, as FastAPI carries them, and the document of the whole."""

from collections.abc import Callable, Container

from starlette.routing import BaseRoute

from gateway import health
from gateway.http import about, openapi, validate
from gateway.http.validate import Validators
from gateway.version import SOFTWARE
from profiles.standards.load import Catalogue


def typed_routes(
    probe: Callable[[], None],
    listed: Callable[[], bool],
    services: health.Services,
    validators: Validators,
    body_bytes: int,
) -> list[BaseRoute]:
    """The routes with models: health, the version and $validate."""
    return [
        *health.router(probe, listed=listed, services=services).routes,
        *about.router().routes,
        *validate.router(validators, body_bytes).routes,
    ]


def described(
    catalogue: Catalogue, provider: str, base_url: str, services: Container[str] | None = None
) -> openapi.JsonObject:
    """The document of a gateway on ``base_url``, without one that runs; ``services`` limits it (`openapi.document`)."""

    def nothing(*_: object) -> None:
        raise RuntimeError("these routes are for their description only")

    typed = typed_routes(nothing, nothing, nothing, nothing, 0)  # type: ignore[arg-type]
    return openapi.document(catalogue, provider, base_url, SOFTWARE, typed, services)
