"""A machine without the official material: the suite runs, and one line says what was left out and how to fetch it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from shared import FETCH, PAPERS, REASON, lacking

ROOT = Path(__file__).parents[2]
SOME = ("tests/conformance/test_codec_roundtrip.py", "tests/unit/profiles/standards/test_standards_catalogue.py")


def test_one_line_says_what_is_lacking(tmp_path: Path) -> None:
    environment = {**os.environ, "GATEWAY_SHARED": str(tmp_path / "nothing")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SOME]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    told = [line for line in done.stdout.splitlines() if FETCH in line]
    assert len(told) == 1
    assert re.match(r"\d\d tests need official packages, scripts or examples: .*; 2 tests compare with", told[0])
    assert REASON not in done.stdout, "no line for each of them"


def test_the_command_exists() -> None:
    assert os.access(ROOT / FETCH.split()[0], os.X_OK)


def test_nothing_lacking_is_no_line() -> None:
    assert lacking([("x.py", 1, "Skipped: needs a microphone")]) == ""
    assert lacking([f"Skipped: {REASON}packages"]) == f"1 tests need official packages, scripts or examples: {FETCH}"
    assert lacking([f"Skipped: {PAPERS}spec"]).startswith("1 tests compare with working papers")
