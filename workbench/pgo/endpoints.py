"""Where a DVA is, as a vendor tells it on the command line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

PROVIDER, SERVICE = "{provider}", "{service}"


class EndpointError(Exception):
    """An endpoint that cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of a DVA; implements ``workbench.demo.pgo.client.Dva``.

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
    found: dict[str, str] = {}
    for one in given:
        service, is_one, url = one.partition("=")
        key, value = (service, url) if is_one and service.isdigit() else ("", one)
        if key in found:
            raise EndpointError(f"two resource endpoints for {f'data service {key}' if key else 'every data service'}")
        found[key] = checked(value, "resource endpoint")
    return found


def checked(url: str, what: str) -> str:
    """The URL, when it can be one of an endpoint. Raises EndpointError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EndpointError(f"the {what} {url!r} is no http or https URL")
    if parts.fragment or parts.username:
        raise EndpointError(f"the {what} {url!r} must not have a fragment or a user")
    return url
