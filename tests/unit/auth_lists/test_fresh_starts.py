"""SLA-05: a start reads four lists at once, in threads of a process that never built a schema before."""

import subprocess
import sys
from pathlib import Path

import pytest
from unit.auth_lists import listdocs as docs

from auth.clients.model import ListKind

START = """
import asyncio, sys
from pathlib import Path
from auth.clients.lists import CurrentLists
from auth.clients.pull import Puller
from auth.clients.sources import FilesSource

sys.setswitchinterval(1e-6)
outcome = asyncio.run(Puller(CurrentLists(), FilesSource(Path(sys.argv[1]))).refresh())
print(*sorted(kind.name for kind in outcome.confirmed))
"""


def starts(times: int, folder: Path) -> None:
    """So many fresh processes, one after the other; each reads all lists and ends in order."""
    documents = {
        ListKind.WHITELIST: docs.whitelist(["een.fictief.example"]),
        ListKind.CLIENTS: docs.clients([docs.client("een.fictief.example", "Een", ["48"])]),
        ListKind.PROVIDERS: docs.providers([docs.provider("huis@medmij", docs.service("48"))]),
        ListKind.NAMES: docs.names([("48", "Dienst")]),
    }
    for kind, document in documents.items():
        (folder / kind.file_name).write_bytes(document)
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", START, str(folder)], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.split() == ["CLIENTS", "NAMES", "PROVIDERS", "WHITELIST"]


def test_ten_fresh_starts_read_their_lists(tmp_path: Path) -> None:
    starts(10, tmp_path)


@pytest.mark.nightly
def test_a_hundred_fresh_starts_read_their_lists(tmp_path: Path) -> None:
    starts(100, tmp_path)
