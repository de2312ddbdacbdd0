"""$validate for integrators: ``POST /fhir/{stu3|r4}/$validate`` and ``/fhir/{stu3|r4}/{type}/$validate``.

The body is a resource, or Parameters that hold one; the answer an OperationOutcome with one issue per finding, in Dutch
or English by Accept-Language. A resource with faults is a good answer: status 200. Nothing is stored or logged of it.
"""

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.problems import Problem, problem_of
from gateway.quality.verdicts import shared_validator
from gateway.settings import Settings
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format, NotAcceptable, content_type, negotiate, read_format
from profiles.fhir.outcome import operation_outcome
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.run.findings import as_outcome
from profiles.validation.run.inputs import validate_text


def routes(settings: Settings) -> list[BaseRoute]:
    """The two paths of the operation."""
    operation = ValidateOperation(settings)
    return [
        Route("/fhir/{version}/$validate", operation.answer, methods=["POST"]),
        Route("/fhir/{version}/{type}/$validate", operation.answer, methods=["POST"]),
    ]


class ValidateOperation:
    """Answers the operation; the work is done in a worker thread, so that reads go on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def answer(self, request: Request) -> Response:
        """One validation."""
        version, format_ = FhirVersion.STU3, Format.JSON
        try:
            version = _version(request.path_params["version"])
            format_ = negotiate(request.headers.get("accept"), request.query_params.get("_format"), version)
            outcome, status = await self._outcome(request, version), 200
        except Exception as fault:
            problem = problem_of(fault)
            outcome, status = operation_outcome([problem.issue]), problem.status
        body = jsonio.dump(outcome) if format_ is Format.JSON else xmlio.dump(outcome, version)
        return Response(body, status, {"content-type": content_type(format_, version), "cache-control": "no-store"})

    async def _outcome(self, request: Request, version: FhirVersion) -> Resource:
        data = await _body(request, self._settings.limits.body_bytes)
        try:
            given = read_format(request.headers.get("content-type"), version)
        except NotAcceptable as fault:
            raise Problem(415, "not-supported", fault.text) from None
        resource, profiles = _unwrapped(data, given, version)
        profiles += request.query_params.getlist("profile")
        wanted = request.path_params.get("type")
        language = "nl" if request.headers.get("accept-language", "").lower().startswith("nl") else "en"
        report = await asyncio.to_thread(validate_text, resource, self._validator, version, profiles)
        if wanted and report.type and report.type != wanted:
            raise Problem(400, "invalid", f"The body is not a {wanted[:64]}.")
        return as_outcome(report, language)

    def _validator(self, version: FhirVersion) -> Validator:
        return shared_validator(version, self._settings.package_cache, self._settings.validation.terminology_url)


def _version(text: str) -> FhirVersion:
    try:
        return FhirVersion.of(text)
    except ValueError:
        raise Problem(404, "not-supported", "Known FHIR releases are stu3 and r4.") from None


async def _body(request: Request, most: int) -> bytes:
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise Problem(413, "too-long", f"The body is larger than {most} bytes.")
            parts.append(part)
    except ClientDisconnect:
        raise Problem(400, "incomplete", "The body ended early.") from None
    return b"".join(parts)


def _unwrapped(data: bytes, given: Format, version: FhirVersion) -> tuple[bytes, list[str]]:
    """The resource itself, when Parameters carry it, with the profiles that they name; else the body as it came."""
    if b"Parameters" not in data[:500]:
        return data, []
    parsed = jsonio.parse(data) if given is Format.JSON else xmlio.parse(data, version)
    if parsed.get("resourceType") != "Parameters":
        return data, []
    parts = [part for part in parsed.get("parameter") or () if isinstance(part, dict)]
    held = [
        part["resource"] for part in parts if part.get("name") == "resource" and isinstance(part.get("resource"), dict)
    ]
    if len(held) != 1:
        raise Problem(400, "required", "Parameters must hold one parameter named resource.")
    named = [part.get("valueUri") or part.get("valueCanonical") for part in parts if part.get("name") == "profile"]
    return jsonio.dump(held[0]), [profile for profile in named if isinstance(profile, str)]
