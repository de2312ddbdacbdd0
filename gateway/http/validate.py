"""$validate for integrators: ``POST /fhir/{stu3|r4}/$validate`` and ``/fhir/{stu3|r4}/{type}/$validate``.

The body is a resource, or Parameters that hold one; the answer an OperationOutcome with one issue per finding, in Dutch
or English by Accept-Language. A resource with faults is a good answer: status 200. Nothing is stored or logged of it.
FastAPI describes the operation; the body stays bytes, since a FHIR resource never passes through a model.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from gateway.problems import Problem, as_it_is, problem_of
from profiles.fhir.authored import authored
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format, NotAcceptable, content_type, negotiate, read_format
from profiles.fhir.outcome import operation_outcome
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.run.findings import as_outcome
from profiles.validation.run.inputs import validate_text

Validators = Callable[[FhirVersion], Validator]
TAG = "Validation"
EXAMPLE = {"resourceType": "Flag", "status": "aktief", "code": {"text": "Let op"}}
Release = Annotated[str, Path(description="FHIR release", json_schema_extra={"enum": ["stu3", "r4"]})]
Profiles = Annotated[list[str], Query(description="canonicals of profiles, besides those that the resource claims")]


class OutcomeText(BaseModel):
    """What a finding says to people."""

    text: str


class OutcomeIssue(BaseModel):
    """One finding."""

    severity: Literal["fatal", "error", "warning", "information"]
    code: str = Field(description="a code of IssueType")
    details: OutcomeText | None = None
    diagnostics: str | None = Field(None, description="the rule, and the zib element")
    expression: list[str] | None = Field(None, description="where in the resource")


class OperationOutcome(BaseModel):
    """OperationOutcome, as far as this gateway fills it. For the description only: answers are written as FHIR."""

    resourceType: Literal["OperationOutcome"]  # noqa: N815 - the name in FHIR
    issue: list[OutcomeIssue]


OUTCOME = {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}
CONTENT = {"application/fhir+json": OUTCOME, "application/fhir+xml": OUTCOME}
ANSWERS: dict[int | str, str] = {
    200: "what was found",
    400: "the request cannot be read",
    404: "this FHIR release is not known here",
    413: "the body is too large",
    415: "this format is not spoken here",
    "default": "the gateway cannot answer now",
}


class FhirAnswer(JSONResponse):
    """For the description: JSON of FHIR, beside XML."""

    media_type = "application/fhir+json"


def router(validators: Validators, body_bytes: int) -> APIRouter:
    """The two paths of the operation; ``body_bytes`` is the most that is read of a body."""
    operation = ValidateOperation(validators, body_bytes)
    paths = APIRouter(tags=[TAG])

    async def validate(request: Request, version: Release, profile: Profiles = ()) -> Response:  # type: ignore[assignment]
        return await operation.answer(request, version, list(profile))

    async def validate_type(
        request: Request,
        version: Release,
        type: str,  # noqa: A002 - the name in the path
        profile: Profiles = (),  # type: ignore[assignment]
    ) -> Response:
        return await operation.answer(request, version, list(profile), type)

    for path, endpoint, summary in (
        ("/fhir/{version}/$validate", validate, "Validate a resource"),
        ("/fhir/{version}/{type}/$validate", validate_type, "Validate a resource of a type"),
    ):
        paths.post(
            path,
            summary=summary,
            description="One issue per finding, with the zib element; Dutch with Accept-Language: nl.",
            operation_id=endpoint.__name__,
            response_class=FhirAnswer,
            response_model=OperationOutcome,
            responses={status: {"description": text, "content": CONTENT} for status, text in ANSWERS.items()},
            openapi_extra={
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {"application/fhir+json": {"schema": {"type": "object"}, "example": EXAMPLE}},
                },
            },
        )(endpoint)
    return paths


class ValidateOperation:
    """Answers the operation; the work is done in a worker thread, so that reads go on."""

    def __init__(self, validators: Validators, body_bytes: int) -> None:
        self._validators = validators
        self._body_bytes = body_bytes

    async def answer(self, request: Request, release: str, profiles: list[str], type_: str | None = None) -> Response:
        """One validation, of a resource that must be a ``type_`` when that is given."""
        version, format_ = FhirVersion.STU3, Format.JSON
        try:
            version = _version(release)
            format_ = negotiate(request.headers.get("accept"), request.query_params.get("_format"), version)
            outcome, status = await self._outcome(request, version, profiles, type_), 200
        except Exception as fault:
            problem = problem_of(fault)
            outcome, status = operation_outcome([problem.issue]), problem.status
        body = await asyncio.to_thread(_written, outcome, format_, version)
        return Response(body, status, {"content-type": content_type(format_, version), "cache-control": "no-store"})

    async def _outcome(self, request: Request, version: FhirVersion, asked: list[str], wanted: str | None) -> Resource:
        as_it_is(request.headers.get("content-encoding"))
        data = await _body(request, self._body_bytes)
        try:
            given = read_format(request.headers.get("content-type"), version)
        except NotAcceptable as fault:
            raise Problem(415, "not-supported", fault.text) from None
        # Off the loop from here on: a large body takes its time.
        resource, profiles = await asyncio.to_thread(_unwrapped, data, given, version)
        profiles += asked
        language = "nl" if request.headers.get("accept-language", "").lower().startswith("nl") else "en"
        report = await asyncio.to_thread(validate_text, resource, self._validators, version, profiles)
        if wanted and report.type and report.type != wanted:
            raise Problem(400, "invalid", f"The body is not of type {wanted[:64]}.")
        return await asyncio.to_thread(lambda: authored(as_outcome(report, language), version))


def _written(outcome: Resource, format_: Format, version: FhirVersion) -> bytes:
    return jsonio.dump(outcome) if format_ is Format.JSON else xmlio.dump(outcome, version)


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
