"""The shared packages, examples and fixtures, ready for the validator."""

import calendar
import datetime as dt
import hashlib
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from shared import shared

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.packages import choose, install, installed

ZIB2017 = "nictiz.fhir.nl.stu3.zib2017@2.2.18"
EXAMPLES = {
    "zib2017": (FhirVersion.STU3, (ZIB2017,)),
    "geboortezorg": (FhirVersion.STU3, ("nictiz.fhir.nl.stu3.geboortezorg@3.0.0", ZIB2017)),
    "zib2020": (
        FhirVersion.R4,
        ("nictiz.fhir.nl.r4.nl-core@0.12.1-beta.1", "nictiz.fhir.nl.r4.zib2020@0.12.1-beta.1"),
    ),
    "new-sets/dental-care": (FhirVersion.R4, ("medmij.fhir.nl.r4.dentalcare@1.0.0-beta.3",)),
    "new-sets/pathology": (FhirVersion.R4, ("medmij.fhir.nl.r4.pathology@1.0.0-alpha.2",)),
    "new-sets/image-availability": (
        FhirVersion.R4,
        ("medmij.fhir.nl.r4.imageavailability@1.0.0-rc.1", "nictiz.fhir.nl.r4.nl-core@0.12.0-beta.4"),
    ),
    "new-sets/long-term-healthcare": (
        FhirVersion.STU3,
        ("medmij.fhir.nl.stu3.longtermhealthcare@1.0.0-rc.2", "medmij.fhir.nl.stu3.core@1.2.1", ZIB2017),
    ),
    "new-sets/provider-tasks-alpha2": (FhirVersion.R4, ("medmij.fhir.nl.r4.providertasks@1.0.0-alpha.2",)),
    "new-sets/portability": (FhirVersion.STU3, (ZIB2017,)),
}
FIXTURES = {
    "STU3/BgZ-3-0": (FhirVersion.STU3, ("nictiz.fhir.nl.stu3.bgz@1.1.1", ZIB2017)),
    "STU3/BgZ-MSZ-2-0": (FhirVersion.STU3, ("nictiz.fhir.nl.stu3.bgz@1.1.1", ZIB2017)),
    "STU3/Geboortezorg-1-0": (FhirVersion.STU3, ("nictiz.fhir.nl.stu3.geboortezorg@1.3.3", ZIB2017)),
    "STU3/PDFA-3-0": (FhirVersion.STU3, (ZIB2017,)),
    "STU3/Questionnaires-2-0": (FhirVersion.STU3, ("nictiz.fhir.nl.stu3.questionnaires@2.0.8", ZIB2017)),
    "STU3/SelfMeasurements-2-0": (FhirVersion.STU3, (ZIB2017,)),
    "STU3/eOverdracht": (FhirVersion.STU3, ("nictiz.fhir.nl.stu3.eoverdracht@1.0.0-rc.23", ZIB2017)),
    "R4/Immunization-2-0": (FhirVersion.R4, ("nictiz.fhir.nl.r4.immunization@2.0.0",)),
    "R4/MP9-3-0-0-beta": (FhirVersion.R4, ("nictiz.fhir.nl.r4.medicationprocess9@2.0.0-rc.7",)),
}
DAY = dt.date(2026, 1, 15)
_PLACEHOLDER = re.compile(r"\$\{\s*DATE\s*,[^,]*,\s*([DMYdmy])\s*,\s*([+-]?)\s*(\d+)\s*\}")


@cache
def package_cache() -> Path:
    """A package cache with the shared packages, made once per set of files and used by all workers."""
    archives = sorted(shared("packages").glob("*.tgz"))
    stamp = "|".join(f"{path.name}:{path.stat().st_size}" for path in archives)
    target = Path(tempfile.gettempdir()) / f"gateway-test-packages-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    if not target.is_dir():
        making = Path(tempfile.mkdtemp(prefix="gateway-test-packages-"))
        for path in archives:
            install(path.read_bytes(), making)
        try:
            making.rename(target)
        except OSError:
            assert target.is_dir(), "another worker made it first"
    return target


@cache
def official(version: FhirVersion, packages: tuple[str, ...]) -> Validator:
    """A validator with official packages."""
    return Validator(version, Definitions(choose(installed(package_cache()), version, packages) if packages else ()))


def filled(text: str, day: dt.date = DAY) -> str:
    """A fixture with its date placeholders replaced."""

    def one(match: re.Match[str]) -> str:
        count = int(match[3]) * (-1 if match[2] == "-" else 1)
        if match[1].upper() == "D":
            return (day + dt.timedelta(days=count)).isoformat()
        months = day.year * 12 + day.month - 1 + count * (12 if match[1].upper() == "Y" else 1)
        year, month = divmod(months, 12)
        return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1])).isoformat()

    text = re.sub(r"\$\{CURRENTDATE[^}]*\}", day.isoformat(), _PLACEHOLDER.sub(one, text))
    text = re.sub(r"\$\{UUID[^}]*\}", "11111111-2222-4333-8444-555555555555", text)
    return re.sub(r"\$\{[^{}]*-id\}", "some-id", re.sub(r"\$\{(?:CD|RANDOM)\d+\}", "12345", text))


def read(path: Path, version: FhirVersion) -> Resource | FormatError:
    """The resource in a file, or what keeps it from being read."""
    data = filled(path.read_text(encoding="utf-8-sig")).encode()
    try:
        return jsonio.parse(data) if path.suffix == ".json" else xmlio.parse(data, version)
    except FormatError as problem:
        return problem


def instances(name: str) -> Iterator[tuple[str, Path, FhirVersion, tuple[str, ...]]]:
    """The instances of an example set or of the fixtures of a qualification set."""
    if name in EXAMPLES:
        version, packages = EXAMPLES[name]
        folder = shared("examples", name)
        files = [path for path in folder.rglob("*") if path.suffix in (".json", ".xml")]
    else:
        version, packages = FIXTURES[name]
        folder = shared("qualification", name)
        files = [
            path
            for path in folder.rglob("*")
            if path.suffix in (".json", ".xml") and any(part.startswith("_reference") for part in path.parts)
        ]
    for path in sorted(files):
        yield f"{name}/{path.relative_to(folder).as_posix()}", path, version, packages
