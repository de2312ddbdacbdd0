"""docs/hl7.md is what the shipped mapping takes of a message, field by field."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_mapping_does() -> None:
    made = subprocess.run(
        [sys.executable, "tools/hl7_page.py"], cwd=ROOT, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(ROOT)},
    ).stdout  # fmt: skip
    assert (ROOT / "docs" / "hl7.md").read_text("utf-8") == made
    fields = [line.split("|") for line in made.splitlines() if line.startswith("| ") and line.count("|") == 5]
    rows = [row for row in fields if "-" in row[1] and row[1].strip() != "field"]
    assert all(row[2].strip() for row in rows), "every field has its name"
    assert all(row[3].strip() or row[4].strip() for row in rows if row[1].strip() != "RXA-21"), "taken, or a reason"
