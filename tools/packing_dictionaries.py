"""Make the dictionaries of `profiles.fhir.codec.packing` from the demo world: what resources of each profile look like.

    python tools/packing_dictionaries.py NUMBER

A dictionary is never changed: what was packed with it could not be opened any more. A better one gets the next number.
"""

# ruff: noqa: E402
import re
import sys
from collections import Counter
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.version import FhirVersion
from workbench.demo.world import load

SIZE = 32_768
LEFT_OUT = ("joke",)
"""Persons whom benchmarks copy: a dictionary that knew them would flatter the figures."""
PIECES = {
    "json": re.compile(r'"[^"]*":(?:"[^"]*",?|[\[{]+|[^,}\]]+,?)|"[^"]*",?|.', re.S),
    "xml": re.compile(r"<[^>]*>|[^<]+", re.S),
}


def samples() -> dict[str, list[str]]:
    """A resource of each type and profile, in both formats; what is seen most comes last."""
    found: dict[tuple[FhirVersion, str, str], tuple[str, str]] = {}
    seen: Counter[tuple[FhirVersion, str, str]] = Counter()
    for record in load(date(2026, 6, 1)).records:
        if record.person in LEFT_OUT:
            continue
        for one in (*record.resources, *record.pointed_at):
            key = (record.version, one["resourceType"], " ".join(one.get("meta", {}).get("profile", ())))
            seen[key] += 1
            if one["resourceType"] != "Binary" and key not in found:
                found[key] = jsonio.dump(one).decode(), xmlio.fragment(one, record.version).decode()
    order = sorted(found, key=lambda key: (seen[key], key))
    return {"json": [found[key][0] for key in order], "xml": [found[key][1] for key in order]}


def dictionary(texts: list[str], pieces: re.Pattern[str]) -> bytes:
    """The pieces of all texts, each once, in the order of the texts; the end of it, as long as a dictionary may be."""
    known: set[str] = set()
    kept: list[str] = []
    for text in reversed(texts):
        fresh, gap = [], True
        for piece in pieces.findall(text):
            if piece not in known:
                known.add(piece)
                fresh.append(piece)
                gap = False
            elif not gap:
                fresh.append(piece)
                gap = True
        kept.append("".join(fresh))
    return "".join(reversed(kept)).encode()[-SIZE:]


def main() -> None:
    """Write both."""
    for name, texts in samples().items():
        file = ROOT / "profiles" / "fhir" / "data" / f"packing-{name}-{sys.argv[1]}.dict"
        if file.exists():
            raise SystemExit(f"{file.name} is there already, and what was packed with it must stay readable")
        file.write_bytes(dictionary(texts, PIECES[name]))


if __name__ == "__main__":
    main()
