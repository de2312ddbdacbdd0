"""Addresses that there are not, outside the FHIR bases: a page for who comes with a browser, JSON for all others."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

Page = Callable[[Request, int, Mapping[str, str]], Response]
Handler = Callable[[Request, Exception], Awaitable[Response]]

_NOWHERE = (404, 405)


def handler(page: Page) -> Handler:
    """The handler of the framework's refusals; ``page`` makes the page of a status, with headers of its own."""

    async def answer(request: Request, fault: Exception) -> Response:
        if not isinstance(fault, HTTPException):
            raise fault
        if fault.status_code in _NOWHERE and "text/html" in request.headers.get("accept", ""):
            return page(request, fault.status_code, {**(fault.headers or {}), "Vary": "Accept, Accept-Language"})
        refused = await http_exception_handler(request, fault)
        refused.headers["Vary"] = "Accept"
        return refused

    return answer
