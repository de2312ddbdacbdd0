"""The way in: FHIR requests go straight to their endpoint, everything else to the application with its routes.

Matching a path against every route and passing FastAPI's layers costs a FHIR read a quarter of its time, so the one
address that takes nearly all traffic is recognised here.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

FHIR = re.compile(r"/(?P<provider>[^/]{1,64})/(?P<service>[^/]{1,40})/fhir(?:/(?P<rest>.*))?", re.DOTALL)


class Dispatch:
    """Pure ASGI: ``/{provider}/{service}/fhir/...`` to ``fhir`` with its path parameters, the rest to ``others``."""

    def __init__(self, fhir: ASGIApp, others: ASGIApp) -> None:
        self._fhir = fhir
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one connection event."""
        found = FHIR.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._others(scope, receive, send)
        else:
            scope["path_params"] = {**found.groupdict(), "rest": found["rest"] or ""}
            await self._fhir(scope, receive, send)
