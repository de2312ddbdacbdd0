"""docs/validation-findings.md is what validation says of the demo records today."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_ten_findings_are_what_a_steward_gets() -> None:
    made = subprocess.run(
        [sys.executable, "tools/validation_findings.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert made.count("\n## ") == 10
    assert (ROOT / "docs" / "validation-findings.md").read_text("utf-8") == made
