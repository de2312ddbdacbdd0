"""What every typed JSON API says when it cannot answer: short, and nothing of what was sent."""

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.problems import problem_of

HEADERS = {"cache-control": "no-store"}


async def refused_input(_request: Request, fault: Exception) -> Response:
    """Input that does not fit: where and why, and never the input itself."""
    if not isinstance(fault, RequestValidationError):
        raise fault
    detail = [{"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in fault.errors()]
    return JSONResponse({"detail": detail}, 422, headers=HEADERS)


async def unavailable(_request: Request, fault: Exception) -> Response:
    """A store that does not answer: 503, with the time to wait."""
    problem = problem_of(fault)
    return JSONResponse({"detail": problem.text}, problem.status, headers={**HEADERS, **problem.headers})
