"""From bytes to a report: reads JSON or XML, picks the release, validates, and finds the places in the text."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource, claimed_profiles
from profiles.fhir.version import FhirVersion
from profiles.validation.hits import Hit
from profiles.validation.run.evaluate import Validator
from profiles.validation.run.findings import Report, finding_of
from profiles.validation.run.positions import located

Validators = Callable[[FhirVersion], Validator]


def unreadable(problem: FormatError) -> Report:
    """The report on a text that cannot be read."""
    finding = finding_of(Hit("resource.format", None, {"reason": problem.text}), "", "")
    expression = problem.expression or ""
    return Report("wrong", (replace(finding, expression=expression, line=problem.line, column=problem.column),))


def parse(data: bytes, version: FhirVersion) -> Resource:
    """A resource from JSON or XML; FormatError when it cannot be read."""
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        return xmlio.parse(data, version)
    return jsonio.parse(data)


def release_of(resource: Resource, validators: Validators) -> FhirVersion:
    """The release whose profiles the resource claims; STU3 when that does not tell."""
    for profile in claimed_profiles(resource):
        for version in FhirVersion:
            if validators(version).knows(profile):
                return version
    return FhirVersion.STU3


def validate_text(
    data: bytes, validators: Validators, version: FhirVersion | None = None, profiles: Sequence[str] = ()
) -> Report:
    """Validate a resource in JSON or XML text; never raises on any text."""
    try:
        resource = parse(data, version or FhirVersion.STU3)
    except FormatError as problem:
        if version is not None or data.lstrip()[:1] != b"<":
            return unreadable(problem)
        try:
            resource = parse(data, FhirVersion.R4)
        except FormatError:
            return unreadable(problem)
        version = FhirVersion.R4
    if version is None:
        version = release_of(resource, validators)
        if version is FhirVersion.R4 and data.lstrip()[:1] == b"<":
            try:
                resource = parse(data, version)
            except FormatError as problem:
                return unreadable(problem)
    return located(validators(version).validate(resource, profiles), data)
