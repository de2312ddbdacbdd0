"""XML from a login bridge: parsed with everything off that could reach out or hide something, read by exact names."""

from datetime import UTC, datetime

from lxml import etree

SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
PROTOCOL = "{urn:oasis:names:tc:SAML:2.0:protocol}"
METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
PREFIXES = {
    "saml": SAML[1:-1], "samlp": PROTOCOL[1:-1], "md": METADATA[1:-1], "ds": SIGNATURE[1:-1], "soap": SOAP[1:-1]
}  # fmt: skip
LARGEST = 500_000


class NotReadable(ValueError):
    """The XML is broken, or holds what has no place in a SAML message."""


def parsed(data: bytes) -> etree._Element:
    """The root of a message. Raises NotReadable.

    No document type (so no entities, XXE), no comments and no processing instructions: they may split a text, so that
    who signs and who reads see two names. No id twice: a signature must point at one element.
    """
    if len(data) > LARGEST:
        raise NotReadable("too large")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotReadable("not well-formed") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise NotReadable("a document type")
    seen: set[str] = set()
    for node in root.getroottree().iter():
        if not isinstance(node.tag, str):
            raise NotReadable("a comment or a processing instruction")
        for name in ("ID", "Id", "id"):
            value = node.get(name)
            if value is not None and value in seen:
                raise NotReadable("one id twice")
            if value is not None:
                seen.add(value)
    return root


def only(parent: etree._Element, *names: str) -> etree._Element | None:
    """The one descendant on this way of child names; None when a step is absent. Raises NotReadable at a double one."""
    here = parent
    for name in names:
        found = here.findall(name)
        if not found:
            return None
        if len(found) > 1:
            raise NotReadable(f"several {etree.QName(name).localname}")
        here = found[0]
    return here


def text(element: etree._Element | None) -> str | None:
    """The text of an element that holds nothing else; None when it is absent. Raises NotReadable."""
    if element is None:
        return None
    if len(element):
        raise NotReadable(f"{etree.QName(element).localname} holds more than text")
    return (element.text or "").strip()


def moment(value: str | None) -> datetime | None:
    """A moment with its zone (SAML core 1.3.3: UTC); None when absent. Raises NotReadable."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise NotReadable("a moment that is none") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
