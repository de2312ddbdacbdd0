"""The baseline of the read path: a Starlette application that sends bytes which it has ready, and does nothing else.

python -m benchmarks.static FILE PORT       FILE as `write` makes it
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def write(path: Path, media: str, bodies: Sequence[bytes]) -> None:
    """Write the bodies for the server: ``/0`` sends the first, and so on."""
    head = f"{media}\n{' '.join(str(len(body)) for body in bodies)}\n".encode()
    path.write_bytes(head + b"".join(bodies))


def read(path: Path) -> tuple[str, list[bytes]]:
    """The media type and the bodies of a file."""
    media, sizes, rest = path.read_bytes().split(b"\n", 2)
    bodies, at = [], 0
    for size in map(int, sizes.split()):
        bodies.append(rest[at : at + size])
        at += size
    return media.decode(), bodies


def app(path: Path) -> Starlette:
    """The application."""
    media, bodies = read(path)

    async def page(request: Request) -> Response:
        return Response(bodies[int(request.path_params["number"])], media_type=media)

    return Starlette(routes=[Route("/{number}", page)])


if __name__ == "__main__":
    uvicorn.run(app(Path(sys.argv[1])), port=int(sys.argv[2]), log_level="error", access_log=False)
