"""Published document fixtures made fit for a server of one's own: two things that only their publisher can keep.

A document's master identifier names that one document in the world; the scripts warn of a server whose documents bear
the published ones. And an attachment may lie on the publisher's web site, which a test must not depend on.
"""

import base64
import hashlib
import io
import uuid
from collections.abc import Iterable, Iterator
from copy import deepcopy

import pikepdf

from profiles.fhir.tree import Resource

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://medmij-gateway/qualification/documents")
_DOCUMENTS = ("DocumentReference", "DocumentManifest")


def own_documents(resources: Iterable[Resource]) -> Iterator[Resource]:
    """The resources with master identifiers of our own, and a Binary of our own for each attachment elsewhere.

    Both are derived from what was published, so that loading again gives the same. The Binaries come after all others;
    resources that need no change are passed on as they are.
    """
    made: dict[str, Resource] = {}
    for resource in resources:
        yield _adapted(resource, made) if resource.get("resourceType") in _DOCUMENTS else resource
    yield from made.values()


def _adapted(resource: Resource, made: dict[str, Resource]) -> Resource:
    changed = deepcopy(resource)
    master = changed.get("masterIdentifier")
    if isinstance(master, dict) and "value" in master:
        number = uuid.uuid5(_NAMESPACE, str(master["value"])).int
        master["value"] = f"urn:oid:2.25.{number}" if str(master["value"]).startswith("urn:oid:") else f"2.25.{number}"
    for content in changed.get("content", []):
        attachment = content.get("attachment")
        if isinstance(attachment, dict) and str(attachment.get("url", "")).startswith(("http://", "https://")):
            _brought_home(attachment, made)
    return changed


def _brought_home(attachment: dict[str, object], made: dict[str, Resource]) -> None:
    url = str(attachment["url"])
    ident = str(uuid.uuid5(_NAMESPACE, url))
    if url not in made:
        data = _page()
        made[url] = {
            "resourceType": "Binary",
            "id": ident,
            "contentType": str(attachment.get("contentType", "application/pdf")),
            "content": base64.b64encode(data).decode(),
        }
    data = base64.b64decode(str(made[url]["content"]))
    # FHIR states the hash of an attachment as SHA-1; it identifies the file and protects nothing.
    digest = hashlib.sha1(data, usedforsecurity=False).digest()
    attachment |= {"url": f"Binary/{ident}", "size": len(data), "hash": base64.b64encode(digest).decode()}


def _page() -> bytes:
    """A PDF of one empty page."""
    with pikepdf.new() as document, io.BytesIO() as stream:
        document.add_blank_page(page_size=(595, 842))
        document.save(stream, deterministic_id=True)
        return stream.getvalue()
