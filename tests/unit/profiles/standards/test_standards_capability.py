"""The CapabilityStatement of every service (RES-07)."""

from typing import Any

import pytest

from profiles.fhir.basetypes import facts
from profiles.fhir.search.searchparams import parameter
from profiles.fhir.version import FhirVersion
from profiles.standards.capability import OAuthUrls, statement
from profiles.standards.load import catalogue
from profiles.standards.model import Service, Standard

CATALOGUE = catalogue()
SERVICES = [
    pytest.param(standard, service, id=service.id)
    for standard in CATALOGUE.standards.values()
    for service in standard.services
]
OAUTH = OAuthUrls("https://gateway.example/oauth/authorize", "https://gateway.example/oauth/token")


def made(standard: Standard, service: Service) -> dict[str, Any]:
    return statement(standard, service, "https://gateway.example/zandoord/48/fhir", "1.2.3", "2026-01-05", OAUTH)


def unknown_elements(version: FhirVersion, type_name: str, node: dict[str, Any], where: str) -> list[str]:
    """Elements that FHIR does not have, singles that are lists and the other way round."""
    wrong = []
    for name, value in node.items():
        if name == "resourceType":
            continue
        found = facts(version).property(type_name, name)
        if found is None:
            wrong.append(f"{where}.{name}")
            continue
        element, child = found
        if isinstance(value, list) != (element.max is None or element.max > 1):
            wrong.append(f"{where}.{name}: one or many")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                wrong += unknown_elements(version, child, one, f"{where}.{name}")
    known = facts(version).types[type_name].elements
    wrong += [
        f"{where}.{name} is missing" for name, one in known.items() if one.min and not one.choice and name not in node
    ]
    return wrong


@pytest.mark.parametrize(("standard", "service"), SERVICES)
def test_it_has_the_elements_of_its_fhir_version_and_no_other(standard: Standard, service: Service) -> None:
    assert unknown_elements(standard.fhir, "CapabilityStatement", made(standard, service), "CapabilityStatement") == []


@pytest.mark.parametrize(("standard", "service"), SERVICES)
def test_it_says_what_the_rows_say(standard: Standard, service: Service) -> None:
    found = made(standard, service)
    assert (found["kind"], found["fhirVersion"]) == ("instance", standard.fhir.number)
    assert found["implementation"]["url"] == "https://gateway.example/zandoord/48/fhir"
    rest = found["rest"][0]
    resources = {one["type"]: one for one in rest.get("resource", [])}
    for rule in standard.rules_of(service):
        if rule.answer == "refused" or rule.type is None:
            continue
        resource = resources[rule.type]
        if rule.interaction != "operation":
            assert rule.interaction in {one["code"] for one in resource["interaction"]}
        for one in rule.parameters:
            if one.is_include:
                key = "searchRevInclude" if one.name == "_revinclude" else "searchInclude"
                assert one.value in resource[key]
            elif not one.name.startswith("_") and rule.interaction == "search-type":
                named = {param["name"]: param["type"] for param in resource["searchParam"]}
                base = one.name.partition(".")[0].partition(":")[0]
                known = parameter(standard.fhir, rule.type, base)
                assert known is not None
                assert named[base] == known.kind
    offered = {rule.type for rule in standard.rules_of(service)} | set(standard.reads)
    assert set(resources) <= offered


def test_a_service_that_only_collects_names_no_write() -> None:
    found = made(*CATALOGUE.service("51"))
    codes = {one["code"] for resource in found["rest"][0]["resource"] for one in resource["interaction"]}
    assert codes == {"read", "search-type"}
    assert "interaction" not in found["rest"][0]
    share = made(*CATALOGUE.service("9004"))["rest"][0]
    assert ("resource" in share, share["interaction"][0]["code"]) == (False, "transaction")


def test_stu3_and_r4_differ_where_fhir_does() -> None:
    stu3, r4 = made(*CATALOGUE.service("48")), made(*CATALOGUE.service("63"))
    assert "acceptUnknown" in stu3
    assert "acceptUnknown" not in r4
    assert stu3["rest"][0]["operation"][0]["name"] == "lastn"
    assert {one["type"] for one in r4["rest"][0]["resource"]} >= {"Immunization", "Medication"}


def test_the_addresses_for_tokens_are_in_the_security_part() -> None:
    security = made(*CATALOGUE.service("48"))["rest"][0]["security"]
    urls = {one["url"]: one["valueUri"] for one in security["extension"][0]["extension"]}
    assert urls == {"authorize": OAUTH.authorize, "token": OAUTH.token}
    standard, service = CATALOGUE.service("48")
    without = statement(standard, service, "https://gateway.example", "1", "2026-01-05")
    assert "extension" not in without["rest"][0]["security"]
