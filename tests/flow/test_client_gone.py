"""A client that goes away in the middle of its request is no fault of ours: no traceback, no internal error."""

import logging
import socket
from pathlib import Path

import httpx
import pytest
from databases import database
from servers import serving
from timing import until

PATHS = ["/oauth/token", "/oauth/revoke", "/ziekenhuiszandoord/48/fhir/Condition/_search", "/oauth/visit/none/decide"]


def test_a_client_that_went_away_leaves_no_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with database("sqlite", tmp_path) as url, serving(url) as server:
        for path in PATHS:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            with socket.create_connection(("127.0.0.1", server.settings.listen.port), 10) as connection:
                connection.sendall(f"{head}Content-Length: 500\r\n\r\ngrant_type=".encode())
        # Both endpoints of servers tell the chain log of their answer, also when nobody hears it.
        assert until(lambda: caplog.text.count('"status":400') >= 2)
        # A search that was cut off was read before this one is answered, or never.
        assert httpx.get(f"{server.base}/health/live").status_code == 200
    assert [one.getMessage() for one in caplog.records if one.exc_info or one.levelno >= logging.ERROR] == []
