"""Documents on their way in: the content comes out of its Binary, and references to it are made our own."""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.collect.content import ELEMENT
from gateway.documents import reference
from gateway.documents.reference import KnownDocument
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.repair import Repair
from profiles.record.walk import nodes
from profiles.validation.run.findings import Finding

Known = Callable[[str], tuple[int, bytes] | None]
"""Size and SHA-1 of the content of a stored Binary, by id."""


class Documents:
    """The documents among resources that come together; taking their content out changes these in place.

    ``known`` finds the documents that are in the store already. A Binary whose content cannot be decoded keeps it, and
    is in ``unreadable`` by id.
    """

    def __init__(self, resources: Mapping[tuple[str, str], Resource], version: FhirVersion, known: Known) -> None:
        self._known = known
        self._taken: dict[str, KnownDocument] = {}
        self.unreadable: dict[str, str] = {}
        for (type_, id_), resource in resources.items():
            if type_ == "Binary":
                try:
                    content = _take(resource, version)
                except FormatError as fault:
                    self.unreadable[id_] = str(fault)
                    continue
                if content is not None:
                    self._taken[id_] = KnownDocument.of(content, str(resource.get("contentType", "")))

    def content(self, id_: str) -> bytes | None:
        """What was taken out of a Binary."""
        taken = self._taken.get(id_)
        return None if taken is None else taken.content

    def find(self, id_: str, may: Callable[[str], bool]) -> KnownDocument | None:
        """A document that came along, else what the store knows of it; none that it ``may`` not look at."""
        if not may(id_):
            return None
        taken = self._taken.get(id_)
        if taken is not None:
            return taken
        stored = self._known(id_)
        return None if stored is None else KnownDocument(*stored)

    def own_urls(self, resource: Resource, urls: Mapping[str, tuple[str, str]]) -> list[Repair]:
        """Let attachments whose Binary is here point at it, relative to our base (issue 4), in place."""
        repairs = []
        for path, node in nodes(resource):
            url = node.get("url")
            if "contentType" not in node and "hash" not in node and "size" not in node:
                continue
            if not isinstance(url, str) or not url.startswith(("http:", "https:", "urn:")):
                continue
            key = urls.get(url) or local_reference(url)
            if key and key[0] == "Binary" and (key[1] in self._taken or self._known(key[1]) is not None):
                node["url"] = "/".join(key)
                repairs.append(Repair("attachment-made-relative", f"{path}.url"))
        return repairs

    def findings(self, resource: Resource, may: Callable[[str], bool]) -> Iterator[Finding]:
        """What is wrong with a DocumentReference and its content; ``may`` says of a Binary whether it is of the same
        patient: nothing is told of another's."""
        if resource.get("resourceType") == "DocumentReference":
            yield from reference.check(resource, lambda id_: self.find(id_, may))


def _take(resource: Resource, version: FhirVersion) -> bytes | None:
    """Take the content out of a Binary; FormatError when it is not base64."""
    name = ELEMENT[version]
    text: Any = resource.get(name)
    if text is None:
        return None
    try:
        content = base64.b64decode("".join(str(text).split()), validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("the content is not base64", expression=f"Binary.{name}") from None
    del resource[name]
    return content
