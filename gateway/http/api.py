"""The typed JSON APIs of the public application, as FastAPI carries and describes them."""

from collections.abc import Callable

from fastapi import FastAPI
from starlette.routing import BaseRoute

from gateway import health
from gateway.http import openapi, validate
from gateway.http.validate import Validators
from gateway.version import SOFTWARE
from profiles.standards.load import Catalogue


class Api(FastAPI):
    """FastAPI whose document (``/openapi.json``) also has the FHIR requests, which plain ASGI answers."""

    described: openapi.JsonObject

    def openapi(self) -> openapi.JsonObject:
        """The whole document."""
        return self.described


def typed_routes(probe: Callable[[], None], validators: Validators, body_bytes: int) -> list[BaseRoute]:
    """The routes with models: health and $validate."""
    return [*health.router(probe).routes, *validate.router(validators, body_bytes).routes]


def described(catalogue: Catalogue, provider: str, base_url: str) -> openapi.JsonObject:
    """The document of a gateway on ``base_url``, without one that runs (`gateway openapi`)."""

    def nothing(*_: object) -> None:
        raise RuntimeError("these routes are for their description only")

    return openapi.document(catalogue, provider, base_url, SOFTWARE, typed_routes(nothing, nothing, 0))  # type: ignore[arg-type]
