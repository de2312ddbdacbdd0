"""The look for malware: by a program, and by an ICAP service; what cannot be looked at is not taken."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from world.share_house import DOCUMENT, document, pdf, share_house

from gateway.problems import Problem
from gateway.share.scan import CommandScan, IcapScan
from gateway.share.settings import ShareSettings

FILE = b"a file of which something is known"


def command(code: int) -> tuple[str, ...]:
    """A scanner that reads the file and ends with this code."""
    return (sys.executable, "-c", f"import sys; sys.stdin.buffer.read(); sys.exit({code})")


@contextmanager
def icap(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A service that reads one request and gives this answer; what it got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                asked = b""
                while not asked.endswith(b"0\r\n\r\n"):
                    asked += line.recv(65_536)
                got.append(asked)
                line.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"icap://127.0.0.1:{server.getsockname()[1]}/avscan", got
        thread.join(10)


@pytest.mark.parametrize(("code", "clean"), [(0, True), (1, False)])
def test_a_program_tells(code: int, clean: bool) -> None:
    assert CommandScan(command(code), 20)(FILE) is clean


@pytest.mark.parametrize("broken", [command(7), ("/no/such/program",)])
def test_a_program_that_cannot_tell_stops_the_file(broken: tuple[str, ...]) -> None:
    with pytest.raises(Problem) as told:
        CommandScan(broken, 20)(FILE)
    assert told.value.status == 503


@pytest.mark.parametrize(
    ("answer", "clean"), [(b"ICAP/1.0 204 No Content\r\n\r\n", True), (b"ICAP/1.0 200 OK\r\n\r\n", False)]
)
def test_a_service_tells(answer: bytes, clean: bool) -> None:
    """RFC 3507: RESPMOD with the file in it; 204 is clean."""
    with icap(answer) as (url, got):
        assert IcapScan(url, 10)(FILE) is clean
    assert got[0].startswith(b"RESPMOD icap://127.0.0.1")
    assert FILE in got[0]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"ICAP/1.0 500 Error\r\n\r\n"])
def test_a_service_that_cannot_tell_stops_the_file(answer: bytes) -> None:
    with icap(answer) as (url, _), pytest.raises(Problem):
        IcapScan(url, 10)(FILE)


@pytest.mark.parametrize(("code", "status"), [(0, 200), (1, 422), (3, 503)])
def test_what_is_malware_is_not_taken_in(code: int, status: int, tmp_path: Path) -> None:
    """DL-32: refused before anything is kept; 503 when the scanner cannot tell."""
    section = ShareSettings(scanner="command", command=command(code))
    with share_house("sqlite", tmp_path, share=section) as house:
        assert house.send(document(pdf()), service=DOCUMENT).status_code == status
        assert house.count()[0] == (1 if status == 200 else 0)
