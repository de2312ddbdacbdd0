"""Resources of our own making, built by the models of fhir.resources: what we author is FHIR, or it is not sent.

For what is made once or seldom (CapabilityStatement, the OperationOutcome of $validate). Resources of persons never
pass through a model: it would rewrite their decimals and instants.
"""

from functools import cache
from importlib import import_module
from typing import Any

from profiles.fhir.codec import jsonio
from profiles.fhir.tables.library import PACKAGES
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion


class AuthoringError(ValueError):
    """A resource of ours that its FHIR model does not take: a fault in our code. The text says where it is wrong."""


def authored(resource: Resource, version: FhirVersion) -> Resource:
    """The resource as its model builds it from ``resource``, as plain data. Raises AuthoringError."""
    model = _model(str(resource["resourceType"]), version)
    try:
        built = model.model_validate(resource)
    except ValueError as fault:
        raise AuthoringError(str(fault)) from fault
    made: Resource = jsonio.load(built.model_dump_json().encode())
    return made


@cache
def _model(type_: str, version: FhirVersion) -> Any:
    return getattr(import_module(f"{PACKAGES[version]}.{type_.lower()}"), type_)
