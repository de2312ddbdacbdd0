"""The CapabilityStatement of a data service, made from its rows (RES-07). Plain data in the standard's FHIR version."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from profiles.fhir.search.searchparams import SearchParam, parameter
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.model import Parameter, RequestRule, Service, Standard

_OPERATIONS = {
    "lastn": "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
    "document": "http://hl7.org/fhir/OperationDefinition/Composition-document",
    "summary": "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
}
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SECURITY = {
    FhirVersion.STU3: "http://hl7.org/fhir/restful-security-service",
    FhirVersion.R4: "http://terminology.hl7.org/CodeSystem/restful-security-service",
}


@dataclass(frozen=True, slots=True)
class OAuthUrls:
    """Where a client authorises and gets tokens."""

    authorize: str
    token: str


def statement(
    standard: Standard,
    service: Service,
    base_url: str,
    software_version: str,
    date: str,
    oauth: OAuthUrls | None = None,
    software_name: str = "MedMij gateway",
) -> Resource:
    """The CapabilityStatement of a service at a base URL: only the interactions and parameters that its rows offer.

    ``date`` is the FHIR date or dateTime of the last change. The result holds nothing about persons.
    """
    version = standard.fhir
    rules = [rule for rule in standard.rules_of(service) if rule.answer != "refused"]
    rest: dict[str, Any] = {"mode": "server", "security": _security(version, oauth)}
    reads = standard.reads_of(service)
    rest["resource"] = [_resource(standard, one, rules, reads) for one in _types(reads, rules)]
    sending = [rule for rule in rules if rule.interaction == "transaction"]
    kinds = {
        kind for rule in sending for kind in (rule.receives.bundles if rule.receives else ("transaction", "batch"))
    }
    if sending:
        rest["interaction"] = [{"code": code} for code in ("transaction", "batch") if code in kinds]
    if version is FhirVersion.STU3 and (operations := _operations(version, rules, None)):
        rest["operation"] = operations
    if not rest["resource"]:
        del rest["resource"]
    document: dict[str, Any] = {
        "resourceType": "CapabilityStatement",
        "name": "".join(part.capitalize() for part in standard.id.replace(".", "-").split("-")),
        "title": f"{service.name_en}, data service {service.id}",
        "status": "active",
        "date": date,
        "publisher": software_name,
        "kind": "instance",
        "instantiates": [standard.capability] if standard.capability else None,
        "software": {"name": software_name, "version": software_version},
        "implementation": {"description": f"{service.name_en} ({standard.title})", "url": base_url},
        "fhirVersion": version.number,
        "acceptUnknown": "extensions" if version is FhirVersion.STU3 else None,
        "format": ["application/fhir+xml", "application/fhir+json"],
        "rest": [rest],
    }
    return {key: value for key, value in document.items() if value is not None}


def _security(version: FhirVersion, oauth: OAuthUrls | None) -> dict[str, Any]:
    security: dict[str, Any] = {}
    if oauth is not None:
        urls = [{"url": "authorize", "valueUri": oauth.authorize}, {"url": "token", "valueUri": oauth.token}]
        security["extension"] = [{"url": _OAUTH_URIS, "extension": urls}]
    security["service"] = [{"coding": [{"system": _SECURITY[version], "code": "OAuth"}], "text": "OAuth 2.0"}]
    return security


def _types(reads: Iterable[str], rules: Sequence[RequestRule]) -> list[str]:
    types = {rule.type for rule in rules if rule.type is not None}
    if any(rule.method == "GET" for rule in rules):
        types |= set(reads)
    return sorted(types)


def _resource(
    standard: Standard, resource_type: str, rules: Iterable[RequestRule], reads: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    version = standard.fhir
    own = [rule for rule in rules if rule.type == resource_type]
    searches = [rule for rule in own if rule.interaction == "search-type" or rule.operation == "lastn"]
    row: dict[str, Any] = {"type": resource_type}
    profiles = [one for one in reads.get(resource_type, ()) if one not in standard.missing_profiles]
    if version is FhirVersion.R4 and profiles:
        row["supportedProfile"] = profiles
    elif len(profiles) == 1:
        row["profile"] = {"reference": profiles[0]}
    if searches:
        queries = dict.fromkeys(f"GET {rule.path}" + (f"?{rule.query}" if rule.query else "") for rule in searches)
        row["documentation"] = "Offered: " + "; ".join(queries)
    codes = {rule.interaction for rule in own if rule.interaction != "operation"}
    if resource_type in reads:
        codes.add("read")
    if codes:
        row["interaction"] = [{"code": code} for code in sorted(codes)]
    parameters = [one for rule in searches for one in rule.parameters]
    for key, name in (("searchInclude", "_include"), ("searchRevInclude", "_revinclude")):
        if values := dict.fromkeys(one.value for one in parameters if one.name.partition(":")[0] == name):
            row[key] = list(values)
    if names := _search_params(version, resource_type, parameters):
        row["searchParam"] = names
    if version is FhirVersion.R4 and (operations := _operations(version, own, resource_type)):
        row["operation"] = operations
    return row


def _search_params(version: FhirVersion, resource_type: str, parameters: Iterable[Parameter]) -> list[dict[str, Any]]:
    documentation: dict[str, list[str]] = {}
    params: dict[str, SearchParam] = {}
    for asked in parameters:
        base = asked.name.partition(".")[0].partition(":")[0]
        param = parameter(version, resource_type, base)
        if asked.is_include or param is None:
            continue
        params[base] = param
        documentation.setdefault(base, []).append(str(asked))
    return [
        {
            "name": name,
            **({"definition": params[name].definition} if params[name].definition else {}),
            "type": params[name].kind,
            "documentation": "; ".join(dict.fromkeys(documentation[name])),
        }
        for name in sorted(params)
    ]


def _operations(version: FhirVersion, rules: Iterable[RequestRule], resource_type: str | None) -> list[dict[str, Any]]:
    names = sorted({rule.operation for rule in rules if rule.operation and resource_type in (None, rule.type)})
    definitions = {name: _OPERATIONS.get(name, f"http://hl7.org/fhir/OperationDefinition/{name}") for name in names}
    if version is FhirVersion.STU3:
        return [{"name": name, "definition": {"reference": definitions[name]}} for name in names]
    return [{"name": name, "definition": definitions[name]} for name in names]
