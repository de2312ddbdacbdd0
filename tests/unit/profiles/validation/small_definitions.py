"""Small structure definitions for tests, and a validator that knows them."""

from typing import Any

from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.schema.definitions import Definitions

HL7 = "http://hl7.org/fhir/StructureDefinition/"
TEST = "http://example.org/StructureDefinition/"


def element(ident: str, **parts: Any) -> dict[str, Any]:
    """An element of a differential; the path follows from the id."""
    path = ".".join(part.partition(":")[0] for part in ident.split("."))
    name = ident.rpartition(".")[2].partition(":")[2]
    return {"id": ident, "path": path, **({"sliceName": name} if name else {}), **parts}


def profile(name: str, kind: str, *elements: dict[str, Any], base: str | None = None, **parts: Any) -> dict[str, Any]:
    """A profile as a differential."""
    return {
        "resourceType": "StructureDefinition",
        "url": TEST + name,
        "name": name,
        "type": kind,
        "derivation": "constraint",
        "baseDefinition": base or HL7 + kind,
        "differential": {"element": [element(kind), *elements]},
        **parts,
    }


def extension(name: str, code: str, *elements: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """An extension with one type of value."""
    return profile(
        name,
        "Extension",
        element("Extension.url", fixedUri=TEST + name),
        element("Extension.value[x]", min=1, type=[{"code": code}]),
        *elements,
        **parts,
    )


def value_set(name: str, system: str, *codes: str) -> dict[str, Any]:
    """A value set that lists its codes."""
    include = {"system": system, "concept": [{"code": code} for code in codes]}
    return {"resourceType": "ValueSet", "url": "http://example.org/ValueSet/" + name, "compose": {"include": [include]}}


def knowing(*definitions: dict[str, Any], version: FhirVersion = FhirVersion.R4) -> Validator:
    """A validator with base facts and these definitions."""
    return Validator(version, Definitions(extra=definitions))


def rules(report: Any, severity: str = "error") -> list[tuple[str, str]]:
    """Rule and place of every finding of a severity."""
    return [(finding.rule, finding.expression) for finding in report.findings if finding.severity == severity]


def observation(**parts: Any) -> dict[str, Any]:
    """A minimal right Observation."""
    code = {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}
    return {"resourceType": "Observation", "id": "o", "status": "final", "code": code, **parts}
