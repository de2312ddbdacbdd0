"""Who the PGO is and where a DVA is: a gateway of ours, or any other as a vendor tells it on the command line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

PROVIDER, SERVICE = "{provider}", "{service}"


class EndpointError(Exception):
    """An endpoint that cannot be used; the text says which and why."""


class Dva(Protocol):
    """Who the PGO is, and where the DVA's endpoints are."""

    @property
    def client_id(self) -> str:
        """Host name of the PGO on the OAuth client list."""

    @property
    def redirect_uri(self) -> str:
        """Where the DVA sends the browser back."""

    @property
    def authorize_url(self) -> str:
        """The authorization endpoint, for the browser."""

    @property
    def token_url(self) -> str:
        """The token endpoint, for this process."""

    def resource(self, provider: str, service: str) -> str:
        """The FHIR base URL of a data service, without a slash at the end."""


@dataclass(frozen=True, slots=True)
class GatewayEndpoints:
    """The demo PGO at a gateway of ours; implements ``Dva``.

    ``base_url`` is where this process reaches the gateway and ``browser_url`` where the person's browser does; they are
    the same in the demo. ``redirect_uri`` stands in the request; a gateway in test mode may allow a local one.
    """

    base_url: str
    redirect_uri: str
    browser_url: str = ""
    client_id: str = "pgo.demo.example"

    @property
    def front(self) -> str:
        """The base URL for the browser."""
        return self.browser_url or self.base_url

    @property
    def authorize_url(self) -> str:
        """The authorization endpoint of the gateway."""
        return f"{self.front}/oauth/authorize"

    @property
    def token_url(self) -> str:
        """The token endpoint of the gateway."""
        return f"{self.base_url}/oauth/token"

    def resource(self, provider: str, service: str) -> str:
        """The FHIR base URL of a data service at the gateway."""
        return f"{self.base_url}/{provider}/{service}/fhir"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of a DVA; implements ``Dva``.

    ``resources`` holds FHIR base URLs by data service; the empty key is for every other service. ``{provider}`` and
    ``{service}`` in them are filled in.
    """

    client_id: str
    redirect_uri: str
    authorize_url: str
    token_url: str
    resources: Mapping[str, str]

    def resource(self, provider: str, service: str) -> str:
        """The FHIR base URL of a data service. Raises EndpointError when none was told."""
        template = self.resources.get(service) or self.resources.get("")
        if template is None:
            raise EndpointError(f"no resource endpoint for data service {service}: add --resource {service}=URL")
        return template.replace(PROVIDER, provider).replace(SERVICE, service).rstrip("/")


def resources_of(given: Iterable[str]) -> dict[str, str]:
    """``URL`` or ``SERVICE=URL``, several times, as the resources of Endpoints. Raises EndpointError."""
    addresses: dict[str, str] = {}
    for one in given:
        service, is_one, url = one.partition("=")
        key, value = (service, url) if is_one and service.isdigit() else ("", one)
        if key in addresses:
            raise EndpointError(f"two resource endpoints for {f'data service {key}' if key else 'every data service'}")
        addresses[key] = checked(value, "resource endpoint")
    return addresses


def checked(url: str, what: str) -> str:
    """The URL, when it can be one of an endpoint. Raises EndpointError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EndpointError(f"the {what} {url!r} is no http or https URL")
    if parts.fragment or parts.username:
        raise EndpointError(f"the {what} {url!r} must not have a fragment or a user")
    return url
