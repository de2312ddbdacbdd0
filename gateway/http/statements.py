"""What a data service says of itself without a token: its CapabilityStatement, and where to authorise (SMART).

The statement is made from the rows of the service, checked by a model of FHIR, and kept as bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.http.address import Address
from gateway.http.progress import Progress
from gateway.http.reply import Reply
from gateway.problems import Problem
from gateway.version import RELEASED, SOFTWARE
from profiles.fhir.authored import authored
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format, content_type
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.capability import OAuthUrls, statement


@dataclass(frozen=True, slots=True)
class Statements:
    """Answers ``GET metadata``. Each statement is made once per process; ``smart`` is the same for all services."""

    oauth: OAuthUrls
    smart: bytes = b"{}"
    images: str = ""
    """How often images may be fetched, for services that give them; the standard wants that published."""
    _made: dict[tuple[str, str, Format], bytes] = field(default_factory=dict)

    def prepare(self, addresses: Iterable[Address]) -> None:
        """Make the statements of addresses beforehand, in both formats. Raises AuthoringError.

        Loading the models takes half a second, which no request should wait for.
        """
        for address in addresses:
            for format_ in Format:
                self._body(address, format_)

    def reply(self, progress: Progress) -> Reply:
        """The statement of the address (RES-07). Raises Problem 404 when nothing is served there today."""
        address, format_ = progress.address, progress.format
        body = self._body(address, format_) if address.listed else None
        if body is None:
            raise Problem(404, "not-found", "There is no such data service here.")
        return Reply(200, body, content_type(format_, address.version), audited=False)

    def configuration(self, progress: Progress) -> Reply:
        """The SMART configuration of the address. Raises Problem 404 when nothing is served there today."""
        address = progress.address
        if not address.listed or address.service is None:
            raise Problem(404, "not-found", "There is no such data service here.")
        return Reply(200, self.smart, "application/json", audited=False)

    def _body(self, address: Address, format_: Format) -> bytes | None:
        if address.standard is None or address.service is None:
            return None
        # One address may lead to another version of a service tomorrow.
        key = (address.base, address.standard.id, format_)
        if key not in self._made:
            made = statement(address.standard, address.service, address.base, SOFTWARE, RELEASED, self.oauth)
            if address.service.images and self.images:
                made["rest"][0]["documentation"] = self.images
            self._made[key] = serialised(authored(made, address.version), format_, address.version)
        return self._made[key]


def serialised(resource: Resource, format_: Format, version: FhirVersion) -> bytes:
    """A resource of our own as a whole document."""
    return jsonio.dump(resource) if format_ is Format.JSON else xmlio.dump(resource, version)
