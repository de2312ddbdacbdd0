"""The OpenAPI document, made from the rows of the standards: what is served and what is described never differ."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from auth.ports import Function
from profiles.standards.load import Catalogue
from profiles.standards.model import RequestRule, Standard

JsonObject = dict[str, Any]

TRACE = [
    {
        "name": name,
        "in": "header",
        "required": False,
        "description": text,
        "schema": {"type": "string", "format": "uuid"},
    }
    for name, text in (
        ("MedMij-Request-ID", "unique per request"),
        ("X-Correlation-ID", "the same from authorization to resource"),
    )
]
TYPED = {
    "Validation": "Validate a resource of your own; nothing is kept of it.",
    "Health": "For operators and containers.",
}
"""The tags of the routes that FastAPI describes."""
FORMATS = ("application/fhir+json", "application/fhir+xml")
REFUSALS = {
    "400": "the request is not one of the standard, or cannot be read",
    "401": "no token, or not a valid one",
    "403": "the token is not for this service",
    "406": "this format or FHIR version is not spoken here",
    "503": "the store or a source does not answer; try again later",
}


def document(
    catalogue: Catalogue,
    provider: str,
    base_url: str,
    version: str,
    typed: Sequence[BaseRoute],
    services: Container[str] | None = None,
) -> JsonObject:
    """An OpenAPI 3.1 document for the data services as ``provider`` offers them, with examples that run.

    The FHIR part is made from the rows of the standards; ``typed`` are the routes that FastAPI describes. With
    ``services`` only these are described; without, every one that the gateway knows. Of a service that is not
    collected from only its metadata are: no authorization makes its other requests answer.
    """
    described = get_openapi(title="", version=version, routes=typed)
    paths: dict[str, JsonObject] = {}
    tags = []
    for standard in sorted(catalogue.standards.values(), key=lambda one: (one.ring, one.id)):
        for service in standard.services:
            if services is not None and service.id not in services:
                continue
            address = catalogue.address_of(service)
            tag = f"{address} {standard.title}"
            tags.append({"name": tag, "description": f"FHIR {standard.fhir.number}. {service.name}."})
            prefix = f"/{provider}/{address}/fhir"
            paths[f"{prefix}/metadata"] = {"get": _metadata(tag, standard, address)}
            collected = services is None or service.function == Function.COLLECT
            for path, rules in _by_path(standard).items() if collected else ():
                paths[f"{prefix}{path}"] = {"get": _operation(tag, address, path, rules)}
    tags += [{"name": name, "description": text} for name, text in TYPED.items()]
    paths |= described["paths"]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MedMij gateway",
            "version": version,
            "description": "FHIR resource server and OAuth authorization server of a Dutch care institution. "
            "Choose Authorize, log in as one of the fictitious persons, and try a request.",
        },
        "servers": [{"url": base_url}],
        "tags": tags,
        "security": [{"medmij": [provider]}],
        "paths": paths,
        "components": {
            "securitySchemes": {"medmij": _flow(base_url, provider)},
            "schemas": described["components"]["schemas"],
        },
    }


def _by_path(standard: Standard) -> Mapping[str, list[RequestRule]]:
    found: dict[str, list[RequestRule]] = {}
    for rule in standard.rules:
        if rule.method == "GET" and rule.answer != "refused":
            found.setdefault(f"/{rule.path.lstrip('/')}", []).append(rule)
    return found


def _operation(tag: str, address: str, path: str, rules: list[RequestRule]) -> JsonObject:
    rows = "\n".join(f"- **{rule.name_nl}** ({rule.name_en}): `{_query(rule) or 'no parameters'}`" for rule in rules)
    parameters = _path_parameters(path) + _parameters(rules) + TRACE
    return {
        "tags": [tag],
        "operationId": f"{address}{path}".replace("/", "_").replace("$", ""),
        "summary": ", ".join(dict.fromkeys(rule.name_en for rule in rules)),
        "description": f"The requests that the standard knows here:\n\n{rows}",
        "parameters": parameters,
        "responses": _responses("a searchset on one page" if "{id}" not in path else "the resource"),
    }


def _metadata(tag: str, standard: Standard, address: str) -> JsonObject:
    return {
        "tags": [tag],
        "operationId": f"{address}_metadata",
        "summary": f"CapabilityStatement (FHIR {standard.fhir.number})",
        "security": [],
        "responses": _responses("what can be asked here"),
    }


def _path_parameters(path: str) -> list[JsonObject]:
    if "{id}" not in path:
        return []
    return [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 64}}]


def _parameters(rules: list[RequestRule]) -> list[JsonObject]:
    """One entry per parameter, filled in with what the first row asks, so that the first try gives an answer."""
    values: dict[str, list[str]] = {}
    for rule in rules:
        for name, value in _pairs(rule):
            values.setdefault(name, []).append(value)
        for optional in rule.optional:
            values.setdefault(optional.name, []).append(optional.value)
    first = {name for name, _ in _pairs(rules[0])}
    needed = {name for name in first if all(name in dict(_pairs(rule)) for rule in rules)}
    make = {True: _include_parameter, False: _filter_parameter}
    return [
        make[name.startswith(("_include", "_revinclude"))](name, list(dict.fromkeys(known)), rules[0], name in needed)
        for name, known in values.items()
    ]


def _include_parameter(name: str, known: list[str], first: RequestRule, _needed: bool) -> JsonObject:
    chosen = [one.value for one in first.required if one.name == name]
    schema = {"type": "array", "items": {"type": "string", "enum": known}, "default": chosen}
    return {"name": name, "in": "query", "schema": schema, "style": "form", "explode": True}


def _filter_parameter(name: str, known: list[str], first: RequestRule, needed: bool) -> JsonObject:
    asked = name in {one.name for one in first.required}
    examples = {value: {"value": value} for value in known}
    if not asked:
        examples = {"(leave out)": {"value": ""}} | examples
    return {"name": name, "in": "query", "required": needed, "schema": {"type": "string"}, "examples": examples}


def _pairs(rule: RequestRule) -> Iterable[tuple[str, str]]:
    for one in rule.required:
        yield one.name, one.value


def _query(rule: RequestRule) -> str:
    return "&".join(f"{name}={quote(value, safe=':/,-._$@|')}" for name, value in _pairs(rule))


def _responses(text: str) -> JsonObject:
    outcome = {"$ref": "#/components/schemas/OperationOutcome"}
    found: JsonObject = {
        "200": {"description": text, "content": {media: {"schema": {"type": "object"}} for media in FORMATS}}
    }
    for status, reason in REFUSALS.items():
        found[status] = {"description": reason, "content": {media: {"schema": outcome} for media in FORMATS}}
    return found


def _flow(base_url: str, provider: str) -> JsonObject:
    return {
        "type": "oauth2",
        "description": "The MedMij flow; scope is the name of the care provider.",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": f"{base_url}/oauth/authorize",
                "tokenUrl": f"{base_url}/oauth/token",
                "scopes": {provider: "all data services of this provider that the person consents to"},
            }
        },
    }
