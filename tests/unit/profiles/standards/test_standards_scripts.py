"""The requests of the official scripts: every read that they send is admitted by the standard they belong to."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from shared import shared

from profiles.fhir.interactions import FhirRequest, UnknownRoute, route
from profiles.fhir.search.search import parse_query
from profiles.standards.admit import admit
from profiles.standards.load import catalogue

SETS = {
    "STU3/BgZ-3-0": "bgz-3",
    "STU3/BgZ-MSZ-2-0": "bgz-msz-2",
    "STU3/Geboortezorg-1-0": "geboortezorg-1",
    "STU3/PDFA-3-0": "pdfa-3",
    "STU3/Questionnaires-2-0": "questionnaires-2",
    "STU3/SelfMeasurements-2-0": "selfmeasurements-2",
    "STU3/eOverdracht": "eoverdracht-4",
    "R4/Immunization-2-0": "immunization-2",
    "R4/MP9-3-0-0-beta": "mp9-3",
}
FHIR = "{http://hl7.org/fhir}"
BAD_SYNTAX = "DocumentReference/$"


def operations(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Operation code, path and query of every operation in the scripts of a set, client and server side alike."""
    for path in sorted(folder.rglob("*.xml")):
        if {"_reference", "_LoadResources"} & set(path.parts):
            continue
        root = etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True)).getroot()
        for operation in root.iter(f"{FHIR}operation"):
            found = {str(child.tag).removeprefix(FHIR): child.get("value", "") for child in operation}
            code = operation.findtext(f"{FHIR}type/{FHIR}code") or next(
                (one.get("value", "") for one in operation.iterfind(f"{FHIR}type/{FHIR}code")), ""
            )
            params = filled(found.get("params", ""), root)
            target = found.get("resource", "")
            if "url" in found:
                yield code, f"{target}/some-id", ""
                continue
            tail, _, query = params.partition("?")
            yield code, f"{target}/{tail.lstrip('/')}".rstrip("/"), query


def filled(text: str, root: etree._Element) -> str:
    """Put values in the place of the variables of a script."""
    defaults = {
        name.get("value", ""): default.get("value", "")
        for variable in root.iterfind(f"{FHIR}variable")
        if (name := variable.find(f"{FHIR}name")) is not None
        and (default := variable.find(f"{FHIR}defaultValue")) is not None
    }

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith(("DATE", "CURRENTDATE")):
            return "2026-01-05"
        default = defaults.get(name, "")
        if default and "${" not in default:
            return default
        return "urn:oid:1.2|3" if "identifier" in name else "some-id"

    return re.sub(r"\$\{(.*?)\}", value, text).replace("NamingSystem/bsn|some-id", "NamingSystem/bsn|999990019")


@pytest.mark.parametrize(("folder", "standard_id"), SETS.items(), ids=SETS.values())
def test_every_read_of_the_official_scripts_is_admitted(folder: str, standard_id: str) -> None:
    standard = catalogue().standards[standard_id]
    admitted = 0
    for code, path, query in operations(shared("qualification", *folder.split("/"))):
        if code not in ("read", "search"):
            continue
        if path == BAD_SYNTAX:
            with pytest.raises(UnknownRoute):
                route("GET", path)
            continue
        way = route("GET", path)
        pairs = tuple(parse_query(query))
        found = admit(standard, FhirRequest(standard.fhir, way.interaction, way.type, way.id, way.operation, pairs))
        assert found.rule.type == way.type
        admitted += 1
    assert admitted > 0
