"""What the address of a FHIR request names: a provider, a data service, and the standard behind it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import date

from profiles.fhir.version import FhirVersion
from profiles.standards.load import Catalogue
from profiles.standards.model import Service, Standard


@dataclass(frozen=True, slots=True)
class Address:
    """``/{provider}/{service}/fhir/{rest}``. ``standard`` and ``service`` are None for what is not served today."""

    provider: str
    service_id: str
    """The id of the service; the address may name one version of it besides (``id.version``)."""
    rest: str
    base: str
    """The FHIR base, as links have it."""
    version: FhirVersion
    standard: Standard | None
    service: Service | None
    listed: bool
    """Whether the provider is one of this gateway. What is not listed never goes into a log (it may be anything)."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of one gateway."""

    catalogue: Catalogue
    providers: Container[str]
    base_url: str

    def of(self, path: Mapping[str, str], day: date) -> Address:
        """Read the path parameters of a request. A service outside its validity on ``day`` is like one unknown."""
        provider, named = path["provider"], path["service"]
        id_ = named.partition(".")[0]
        standard, service = self.catalogue.addressed(named, day) or (None, None)
        known = standard or (self.catalogue.services.get(id_) or (None, None))[0]
        version = known.fhir if known else FhirVersion.STU3
        base = f"{self.base_url}/{provider}/{named}/fhir"
        return Address(
            provider, id_, _rest(path.get("rest", "")), base, version, standard, service, provider in self.providers
        )


def _rest(rest: str) -> str:
    # A client that adds /fhir to an endpoint that has it already is understood (DESIGN 6).
    return rest.removeprefix("fhir/") if rest != "fhir" else ""
