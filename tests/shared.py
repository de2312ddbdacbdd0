"""Where the official packages, scripts and examples are, for tests that read them.

They belong to others and are not in this repository: ``tools/fetch-official`` fetches what is public. A test that needs
them says so by calling ``shared``; without them it is skipped, and the end of the run says how many were.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(os.environ.get("GATEWAY_SHARED") or Path(__file__).resolve().parents[2] / "shared")
REASON = "official material not here: "
PAPERS = "working papers not here: "
NO_POSTGRES = "PostgreSQL is left out (GATEWAY_TEST_POSTGRES=none)"
"""How the reasons of these skips begin; the end of the run counts them by it. Working papers are not published."""
FETCH = "tools/fetch-official --into ../shared"


def lacking(skipped: Iterable[object]) -> str:
    """One line on the tests that were skipped for want of material, by the reasons of all skipped ones; else empty."""
    reasons = [str(reason) for reason in skipped]
    official = sum(REASON in reason for reason in reasons)
    papers = sum(PAPERS in reason for reason in reasons)
    told = [f"{official} tests need official packages, scripts or examples: {FETCH}"] if official else []
    told += [f"{papers} tests compare with working papers that are not published"] if papers else []
    without = sum(NO_POSTGRES in reason for reason in reasons)
    told += [f"{without} tests need PostgreSQL"] if without else []
    return "; ".join(told)


def shared(*parts: str) -> Path:
    """The path of a shared file or folder; skips the test when it is not there."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        _absent("/".join(parts))
    return path


def _absent(name: str) -> NoReturn:
    pytest.skip((PAPERS if name.startswith("spec/") else REASON) + name)
