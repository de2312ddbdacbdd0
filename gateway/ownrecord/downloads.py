"""A record as files to take along: a FHIR Bundle for each release, in JSON or XML."""

from collections.abc import Iterable

from gateway.dossier.answer import DossierAnswer
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion


def bundle(answers: Iterable[DossierAnswer], version: FhirVersion) -> Resource:
    """Everything of one FHIR release, each resource once, as a Bundle of type collection."""
    kept: dict[tuple[str, str], Resource] = {}
    for answer in answers:
        if answer.version is version:
            for resource in (*answer.matches, *answer.included):
                kept.setdefault((resource["resourceType"], str(resource.get("id", len(kept)))), resource)
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in kept.values()]}


def written(answers: Iterable[DossierAnswer], version: FhirVersion, form: str) -> tuple[bytes, str]:
    """The Bundle as bytes, and its media type; ``form`` is json or xml. Decimals keep their digits."""
    made = bundle(answers, version)
    body = jsonio.dump(made) if form == "json" else xmlio.dump(made, version)
    return body, f"application/fhir+{form}; fhirVersion={version.mime}"
