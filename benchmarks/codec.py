"""What the codec costs, as ratios against a baseline in the same run.

``python -m benchmarks.codec [FILE.json ...]`` (the files are STU3).
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from lxml import etree

from profiles.fhir.codec import bundle, jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.version import FhirVersion

SAMPLE = {
    "resourceType": "Observation",
    "id": "bloodpressure-1",
    "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-BloodPressure"]},
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><table><tr><td>Bloeddruk</td><td>120/80</td></tr></table></div>',
    },
    "identifier": [{"system": "urn:oid:2.16.840.1.113883.2.4.3.11.999.7.6", "value": "bp-1"}],
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9", "display": "Blood pressure panel"}]},
    "subject": {"reference": "Patient/one", "display": "J. de Boer"},
    "effectiveDateTime": "2026-01-02T10:11:12+01:00",
    "performer": [{"reference": "Practitioner/two", "display": "A. Arts & Co"}],
    "bodySite": {
        "coding": [{"system": "http://snomed.info/sct", "code": "368209003", "display": "Right arm"}],
        "extension": [
            {
                "url": "http://nictiz.nl/fhir/StructureDefinition/BodySite-Qualifier",
                "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "24028007"}]},
            }
        ],
    },
    "component": [
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": name}]},
            "valueQuantity": {
                "value": 120,
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        }
        for code, name in (("8480-6", "Systolic"), ("8462-4", "Diastolic"), ("8478-0", "Mean <calculated>"))
    ],
}
ENTRIES = 200


def microseconds(work: Callable[[], object], budget: float = 0.2) -> float:
    """The best time of one call in five rounds."""
    work()
    started = time.perf_counter()
    work()
    once = max(time.perf_counter() - started, 1e-7)
    count = max(1, int(budget / 5 / once))
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(count):
            work()
        best = min(best, (time.perf_counter() - started) / count)
    return best * 1e6


def measure(name: str, data: bytes, version: FhirVersion) -> None:
    """Print one table for one resource."""
    resource = jsonio.parse(data)
    xml = xmlio.dump(resource, version)
    fast = microseconds(lambda: msgspec.json.decode(data))
    plain = microseconds(lambda: json.loads(data))
    tree = microseconds(lambda: etree.fromstring(xml))
    written = microseconds(lambda: etree.tostring(etree.fromstring(xml)))
    rows = [
        ("json.loads (baseline)", plain, plain),
        ("msgspec.json.decode (baseline)", fast, plain),
        ("jsonio.parse, strict", microseconds(lambda: jsonio.parse(data)), plain),
        ("jsonio.load, trusted", microseconds(lambda: jsonio.load(data)), plain),
        ("jsonio.dump", microseconds(lambda: jsonio.dump(resource)), plain),
        ("lxml fromstring (baseline)", tree, tree),
        ("lxml fromstring + tostring", written, tree),
        ("xmlio.parse, strict", microseconds(lambda: xmlio.parse(xml, version)), tree),
        ("xmlio.dump", microseconds(lambda: xmlio.dump(resource, version)), tree),
    ]
    print(f"{name}: {len(data)} bytes JSON, {len(xml)} bytes XML")
    for label, cost, baseline in rows:
        print(f"  {label:34} {cost:9.1f} us {cost / baseline:7.2f} x")


def measure_bundle() -> None:
    """Print what a searchset costs per entry."""
    version = FhirVersion.STU3
    url = "https://gateway.example/fhir/Observation/bloodpressure-1"
    for fmt, body in ((Format.JSON, jsonio.dump(SAMPLE)), (Format.XML, xmlio.fragment(SAMPLE, version))):
        entries = [bundle.BundleEntry(url, "match", body)] * ENTRIES
        plain = [one.body for one in entries]
        join = microseconds(partial(b"".join, plain))
        cost = microseconds(partial(bundle.searchset, fmt, version, url, entries))
        print(f"searchset {fmt.value}, {ENTRIES} entries: {cost:.0f} us, {cost / ENTRIES:.2f} us per entry", end="")
        print(f", {cost / join:.1f} x joining the bytes")


if __name__ == "__main__":
    measure("Observation", jsonio.dump(SAMPLE), FhirVersion.STU3)
    for argument in sys.argv[1:]:
        measure(Path(argument).name, Path(argument).read_bytes(), FhirVersion.STU3)
    measure_bundle()
