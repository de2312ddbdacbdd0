"""What the codec costs, as ratios against a baseline in the same run.

``python -m benchmarks.codec``
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lxml import etree

from benchmarks.frame import Bench, Figure, best_of, finish, machine, options
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


def codec(_asked: argparse.Namespace, _folder: Path) -> Bench:
    """The whole benchmark."""
    version, data = FhirVersion.STU3, jsonio.dump(SAMPLE)
    resource = jsonio.parse(data)
    xml = xmlio.dump(resource, version)
    bench = Bench("codec", f"one Observation, {len(data)} bytes JSON, {len(xml)} bytes XML", machine())
    plain, tree = microseconds(lambda: json.loads(data)), microseconds(lambda: etree.fromstring(xml))
    rows: tuple[tuple[str, Callable[[], object], float, str], ...] = (
        ("jsonio.parse, strict", lambda: jsonio.parse(data), plain, "json.loads"),
        ("jsonio.load, trusted", lambda: jsonio.load(data), plain, "json.loads"),
        ("jsonio.dump", lambda: jsonio.dump(resource), plain, "json.loads"),
        ("xmlio.parse, strict", lambda: xmlio.parse(xml, version), tree, "lxml fromstring"),
        ("xmlio.dump", lambda: xmlio.dump(resource, version), tree, "lxml fromstring"),
    )
    for name, work, base, against in rows:
        bench.add(Figure(name, microseconds(work), "us", base, against))
    url = "https://gateway.example/fhir/Observation/bloodpressure-1"
    for fmt, body in ((Format.JSON, data), (Format.XML, xmlio.fragment(SAMPLE, version))):
        entries = [bundle.BundleEntry(url, "match", body)] * ENTRIES
        join = microseconds(partial(b"".join, [one.body for one in entries]))
        cost = microseconds(partial(bundle.searchset, fmt, version, url, entries))
        bench.add(Figure(f"searchset {fmt.value}, {ENTRIES} entries", cost, "us", join, "joining the bytes"))
    return bench


def microseconds(work: Callable[[], object]) -> float:
    """The best processor time of one call in five rounds."""
    calls = max(1, int(0.02 / max(best_of(work, 1, 2) / 1e6, 1e-6)))

    def often() -> None:
        for _ in range(calls):
            work()

    return best_of(often, calls)


def main() -> None:
    """Entry point."""
    asked = options(__doc__).parse_args()
    finish([codec(asked, Path())], asked.json)


if __name__ == "__main__":
    main()
