"""The content of a document on its way out: bytes in pieces, and the Binary resource around them."""

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from gateway.collect.held import Held
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.version import FhirVersion

ELEMENT = {FhirVersion.STU3: "content", FhirVersion.R4: "data"}
"""Where a Binary has its content."""


class DocumentContent(Protocol):
    """The bytes of one document; ``digest`` changes when they do."""

    @property
    def size(self) -> int:
        """The number of bytes."""
        ...

    @property
    def digest(self) -> bytes:
        """What tells this version from another."""
        ...

    def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from ``start`` up to ``stop``; every piece but the last is a multiple of three when start is 0."""
        ...


@dataclass(frozen=True, slots=True)
class InlineContent:
    """Content that came along with its resource, as live sources deliver it."""

    data: bytes
    digest: bytes

    @property
    def size(self) -> int:
        """See Content."""
        return len(self.data)

    async def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """See Content."""
        yield self.data[start:stop]


def inline(held: Held, version: FhirVersion) -> InlineContent | None:
    """The content inside a Binary resource; None when it has none, or none that can be decoded."""
    text = held.whole.get(ELEMENT[version])
    if not isinstance(text, str):
        return None
    try:
        data = base64.b64decode(text)
    except (binascii.Error, ValueError):
        return None
    return InlineContent(data, hashlib.sha256(data).digest())


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A Binary resource around content: what stands before and after it, and how long the whole is."""

    before: bytes
    content: DocumentContent
    after: bytes

    @property
    def size(self) -> int:
        """The number of bytes of the resource."""
        return len(self.before) + -(-self.content.size // 3) * 4 + len(self.after)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The resource, piece by piece."""
        yield self.before
        async for piece in self.content.pieces(0, self.content.size):
            yield base64.b64encode(piece)
        yield self.after


def wrapped(held: Held, content: DocumentContent, format_: Format, version: FhirVersion) -> Wrapped:
    """The Binary that ``held`` is, with its content as its last element, where FHIR has it."""
    rest = {name: value for name, value in held.whole.items() if name != ELEMENT[version]}
    name = ELEMENT[version].encode()
    if format_ is Format.JSON:
        return Wrapped(jsonio.dump(rest).removesuffix(b"}") + b',"' + name + b'":"', content, b'"}')
    opening = xmlio.dump(rest, version).rstrip().removesuffix(b"</Binary>")
    return Wrapped(opening + b"<" + name + b' value="', content, b'"/></Binary>')
