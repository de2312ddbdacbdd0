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
        provider, id_ = path["provider"], path["service"]
        standard, service = self.catalogue.services.get(id_) or (None, None)
        version = standard.fhir if standard else FhirVersion.STU3
        if service is not None and not service.valid_on(day):
            standard = service = None
        base = f"{self.base_url}/{provider}/{id_}/fhir"
        return Address(
            provider, id_, _rest(path.get("rest", "")), base, version, standard, service, provider in self.providers
        )


def _rest(rest: str) -> str:
    # A client that adds /fhir to an endpoint that has it already is understood (DESIGN 6).
    return rest.removeprefix("fhir/") if rest != "fhir" else ""
