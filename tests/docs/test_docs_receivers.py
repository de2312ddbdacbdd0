"""docs/receivers.md is what tools/receivers.py writes (APP-04)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_receivers_is_as_the_rows_and_facts_make_it() -> None:
    made = subprocess.run(
        [sys.executable, "tools/receivers.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert made == (ROOT / "docs" / "receivers.md").read_text("utf-8")
