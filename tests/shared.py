"""Where the official packages, scripts and examples are, for tests that read them.

They belong to others and are not in this repository: ``tools/fetch-official`` fetches what is public. A test that needs
them says so by calling ``shared``; without them it is skipped, and the end of the run says how many were.
"""

import os
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(os.environ.get("GATEWAY_SHARED") or Path(__file__).resolve().parents[2] / "shared")
REASON = "official material not here: "
"""How the reason of every such skip begins; the end of the run counts them by it."""
FETCH = "tools/fetch-official --into ../shared"


def shared(*parts: str) -> Path:
    """The path of a shared file or folder; skips the test when it is not there."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        _absent("/".join(parts))
    return path


def _absent(name: str) -> NoReturn:
    pytest.skip(REASON + name)
