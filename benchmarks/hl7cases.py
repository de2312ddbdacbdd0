"""How far our verdicts agree with those of HL7's own validator, on HL7's own cases.

    python -m benchmarks.hl7cases CASES.ndjson.gz PACKAGES [--kinds]

CASES has a line per case: id, fhir, format, raw, resource, profile, supporting (definitions to load first) and
expected_errors, after FHIR/fhir-test-cases. PACKAGES is a folder with the core packages (`hl7.fhir.r3.core-3.0.2.tgz`,
`hl7.fhir.r4.core-4.0.1.tgz`). A case agrees when both call the resource wrong, or neither does. Nothing is looked up at
a terminology server.
"""

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.packages import choose, install, installed
from profiles.validation.strictness import Strictness

CORES = {FhirVersion.STU3: "hl7.fhir.r3.core@3.0.2", FhirVersion.R4: "hl7.fhir.r4.core@4.0.1"}
RELEASES = {"3.0": FhirVersion.STU3, "4.0": FhirVersion.R4}


@dataclass(frozen=True, slots=True)
class Compared:
    """One case: what the reference says and what we say, with the first reason of either."""

    id: str
    theirs: bool
    ours: bool
    reason: str

    @property
    def kind(self) -> str:
        """agreed, missed (the reference finds a fault, we do not), or false alarm."""
        return "agreed" if self.theirs == self.ours else "missed" if self.theirs else "false alarm"


def compared(case: dict[str, Any], cores: Path) -> Compared:
    """Validate one case as a foreign client would send it."""
    version = RELEASES[case["fhir"]]
    theirs = [row for row in case["expected_errors"] if row[0] in ("error", "fatal")]
    found = _errors(case, version, cores)
    reason = "; ".join(f"{row[1]}: {row[2]}" for row in theirs[:2]) if theirs else "; ".join(found[:2])
    return Compared(case["id"], bool(theirs), bool(found), reason[:200])


def _errors(case: dict[str, Any], version: FhirVersion, cores: Path) -> list[str]:
    raw = case["raw"].encode()
    try:
        resource = jsonio.parse(raw) if case["format"] == "json" else xmlio.parse(raw, version)
    except FormatError as fault:
        return [str(fault)]
    given = [_definition(one, version) for one in case["supporting"]]
    checking = Validator(version, Definitions(_core(version, cores), extra=given), strictness=_strictness(case))
    report = checking.validate(resource, (case["profile"],) if case["profile"] else ())
    return [f"{one.rule} {one.expression}" for one in report.findings if one.severity == "error"]


def _strictness(case: dict[str, Any]) -> Strictness:
    """What the reference was told: it refuses extensions that it does not know, and what the case asks for."""
    options = case["options"]
    return Strictness(
        unknown=True, markup=options.get("security-checks") is True, examples=options.get("examples") is False
    )


def _definition(given: dict[str, Any], version: FhirVersion) -> Any:
    return xmlio.parse(given["xml"].encode(), version) if "xml" in given else given


@cache
def _core(version: FhirVersion, cores: Path) -> tuple[Any, ...]:
    return tuple(choose(installed(cores), version, (CORES[version],)))


def cases(path: Path) -> Iterator[dict[str, Any]]:
    """The cases of a file, packed or not."""
    with gzip.open(path, "rt", "utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def agreement(rows: list[Compared]) -> str:
    """The figure, in one line."""
    counted = Counter(row.kind for row in rows)
    wrong = sum(row.theirs for row in rows)
    share = 100 * counted["agreed"] / max(1, len(rows))
    return (
        f"{share:.1f} % of {len(rows)} agreed; missed {counted['missed']} of {wrong}, "
        f"false alarms {counted['false alarm']} of {len(rows) - wrong}"
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("packages", type=Path)
    parser.add_argument("--kinds", action="store_true", help="list every case that differs, with the reason")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        for core in CORES.values():
            install((asked.packages / f"{core.replace('@', '-')}.tgz").read_bytes(), Path(folder))
        rows = [compared(case, Path(folder)) for case in cases(asked.cases)]
    if asked.kinds:
        for row in sorted(rows, key=lambda one: (one.kind, one.id)):
            if row.kind != "agreed":
                print(f"{row.kind}: {row.id}\n    {row.reason}")
    print(agreement(rows))


if __name__ == "__main__":
    main()
