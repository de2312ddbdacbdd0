"""Where the official packages, scripts and examples are, for tests that read them."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("GATEWAY_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(*parts: str) -> Path:
    """The path of a shared file or folder; skips the test when it is not there."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"shared test data {'/'.join(parts)} not found; set GATEWAY_SHARED to the folder that holds it")
    return path
