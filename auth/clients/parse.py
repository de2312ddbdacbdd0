"""From the bytes of a list to the list itself: safe parsing, schema, reading, checks of sense.

Sources: LIST-05, LIST-07..LIST-09, LIST-12..LIST-16. Anything wrong with the bytes is a `ListError`, nothing else.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, cast

from lxml import etree

from auth.clients.model import (
    UNNAMED_INTERFACE,
    AnyList,
    Heading,
    HostNode,
    HostWhitelist,
    ListedClient,
    ListedProvider,
    ListedService,
    ListError,
    ListKind,
    Notify,
    OAuthClientList,
    ProviderList,
    ServiceNameList,
    Subscribe,
)

MEGABYTE = 1_000_000
SIZE_LIMITS: dict[ListKind, int] = {
    ListKind.WHITELIST: 10 * MEGABYTE,
    ListKind.CLIENTS: 10 * MEGABYTE,
    ListKind.PROVIDERS: 100 * MEGABYTE,
    ListKind.NAMES: 10 * MEGABYTE,
}
RELEASES: dict[ListKind, frozenset[int]] = {
    ListKind.WHITELIST: frozenset({2}),
    ListKind.CLIENTS: frozenset({2, 3}),
    ListKind.PROVIDERS: frozenset({2, 3}),
    ListKind.NAMES: frozenset({1}),
}
"""Per list the releases for which there is a schema; any other namespace is refused."""

_SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_NAMESPACE = re.compile(r"xmlns://afsprakenstelsel\.medmij\.nl/([a-z]+)/release([0-9]{1,3})/")
_BLANKS = re.compile(r"[ \t\r\n]+")
_BOM = b"\xef\xbb\xbf"


def parse(kind: ListKind, data: bytes) -> AnyList:
    """Read a list.

    Takes the kind that is expected and the whole document. Returns the immutable list.
    Raises ListError when the document is too large, not safe XML, of another kind or an unknown release,
    against its schema, or without sense (an empty whitelist, LIST-09).
    """
    root = _tree(kind, data)
    release = _release(kind, root)
    _strip_attributes(kind, root)
    with _one_at_a_time:
        schema = _schema(kind, release)
        if not schema.validate(root):
            raise ListError(kind, _complaint(schema))
    return _READERS[kind](_Reader(kind, release), root)


def _tree(kind: ListKind, data: bytes) -> etree._Element:
    if len(data) > SIZE_LIMITS[kind]:
        raise ListError(kind, f"larger than {SIZE_LIMITS[kind] // MEGABYTE} MB")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ListError(kind, "a document type declaration is not allowed")
    try:
        data.decode("utf-8")  # another encoding could hide a declaration from the line above
    except UnicodeDecodeError:
        raise ListError(kind, "not UTF-8") from None
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data.removeprefix(_BOM), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ListError(kind, f"not well-formed XML: {_short(str(error))}") from None
    if root is None:
        raise ListError(kind, "not well-formed XML: no document")
    if root.getroottree().docinfo.internalDTD is not None:
        raise ListError(kind, "a document type declaration is not allowed")
    return root


def _release(kind: ListKind, root: etree._Element) -> int:
    name = etree.QName(root)
    known = _NAMESPACE.fullmatch(name.namespace or "")
    if name.localname != kind.value or known is None or known[1] != kind.value.lower():
        raise ListError(kind, f"the root element is {_short(str(root.tag))}")
    release = int(known[2])
    if release not in RELEASES[kind]:
        raise ListError(kind, f"release {release} is not known here")
    return release


def _strip_attributes(kind: ListKind, root: etree._Element) -> None:
    """Take the schema location off the root and refuse every other attribute.

    LIST-07 knows no attributes of data. A schema location must never lead the validator to another schema, and
    xsi:type or xsi:nil would let an element escape its type.
    """
    if _SCHEMA_LOCATION in root.attrib:
        del root.attrib[_SCHEMA_LOCATION]
    for element in root.iter(etree.Element):
        if element.attrib:
            raise ListError(kind, f"an attribute at {_short(etree.QName(element).localname)} is not allowed")


_one_at_a_time = Lock()
"""libxml2 sets up its schema types at the first schema, without a lock of its own: two threads at once crash it.
A schema also keeps the errors of its last document, so checking and asking what was wrong belong together."""


@cache
def _schema(kind: ListKind, release: int) -> etree.XMLSchema:
    return etree.XMLSchema(file=str(Path(__file__).parent / "xsd" / f"{kind.value.lower()}-release{release}.xsd"))


def _complaint(schema: etree.XMLSchema) -> str:
    log: Iterable[Any] = cast(Any, schema.error_log).filter_from_errors()  # without the warnings of the uniqueness keys
    for entry in log:
        if "precomputed value" not in entry.message:
            plain = re.sub(r"\{[^}]*\}", "", entry.message)
            return f"against its schema, line {entry.line}: {_short(plain)}"
    return "against its schema"


def _short(text: str) -> str:
    line = _BLANKS.sub(" ", text).strip()
    return line if len(line) <= 200 else line[:200] + "..."


class _Reader:
    """Reads elements of a validated document of one namespace."""

    def __init__(self, kind: ListKind, release: int) -> None:
        self.kind = kind
        self.release = release
        self.prefix = f"{{xmlns://afsprakenstelsel.medmij.nl/{kind.value.lower()}/release{release}/}}"

    def all(self, parent: etree._Element, *names: str) -> Iterator[etree._Element]:
        """The elements at a path of names below `parent`."""
        found: list[etree._Element] = [parent]
        for name in names:
            found = [child for element in found for child in element.iterchildren(self.prefix + name)]
        return iter(found)

    def maybe(self, parent: etree._Element, *names: str) -> etree._Element | None:
        """The first element at the path, or None."""
        return next(self.all(parent, *names), None)

    def text(self, parent: etree._Element, *names: str) -> str:
        """The text at the path, blanks collapsed as the schema does (xs:token)."""
        element = next(self.all(parent, *names))
        return _BLANKS.sub(" ", element.text or "").strip(" ")

    def heading(self, root: etree._Element) -> Heading:
        """Tijdstempel and Volgnummer."""
        try:
            issued = datetime.fromisoformat(self.text(root, "Tijdstempel"))
            issued.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ListError(self.kind, "Tijdstempel is not a moment that can be reckoned with") from None
        return Heading(issued, int(self.text(root, "Volgnummer")), self.release)


def _whitelist(read: _Reader, root: etree._Element) -> HostWhitelist:
    names = [read.text(node, "Hostname") for node in read.all(root, "MedMijNodes", "MedMijNode")]
    if not names:
        raise ListError(read.kind, "an empty whitelist would lock everybody out")
    return HostWhitelist(read.heading(root), {name: HostNode(name) for name in names})


def _clients(read: _Reader, root: etree._Element) -> OAuthClientList:
    clients = [_client(read, element) for element in read.all(root, "OAuthclients", "OAuthclient")]
    return OAuthClientList(read.heading(root), {client.hostname: client for client in clients})


def _client(read: _Reader, element: etree._Element) -> ListedClient:
    services: frozenset[str] | None = None
    notify: dict[str, Notify] = {}
    if (block := read.maybe(element, "Gegevensdiensten")) is not None:
        entries = {read.text(entry, "GegevensdienstId"): entry for entry in read.all(block, "Gegevensdienst")}
        services = frozenset(entries)
        for service, entry in entries.items():
            if (place := read.maybe(entry, "Notificeren")) is not None:
                notify[service] = Notify(
                    read.text(place, "SubscriptionNotificationEndpointuri"),
                    read.text(place, "ResourceNotificationEndpointuri"),
                )
    return ListedClient(
        read.text(element, "Hostname"),
        read.text(element, "OAuthclientOrganisatienaam"),
        services,
        MappingProxyType(notify),
    )


def _providers(read: _Reader, root: etree._Element) -> ProviderList:
    providers = [_provider(read, element) for element in read.all(root, "Zorgaanbieders", "Zorgaanbieder")]
    return ProviderList(read.heading(root), {provider.name: provider for provider in providers})


def _provider(read: _Reader, element: etree._Element) -> ListedProvider:
    if read.release == 2:
        kind = None
        interfaces = {UNNAMED_INTERFACE: _services(read, element)}
    else:
        kind = read.text(element, "Aanbiedertype")
        interfaces = {
            read.text(interface, "InterfaceversieId"): _services(read, interface)
            for interface in read.all(element, "Interfaceversies", "Interfaceversie")
        }
    return ListedProvider(read.text(element, "Zorgaanbiedernaam"), kind, MappingProxyType(interfaces))


def _services(read: _Reader, parent: etree._Element) -> MappingProxyType[str, ListedService]:
    services = [_service(read, element) for element in read.all(parent, "Gegevensdiensten", "Gegevensdienst")]
    return MappingProxyType({service.id: service for service in services})


def _service(read: _Reader, element: etree._Element) -> ListedService:
    roles = {
        read.text(role, "Systeemrolcode"): read.text(role, "ResourceEndpoint", "ResourceEndpointuri")
        for role in read.all(element, "Systeemrollen", "Systeemrol")
    }
    subscribe: Subscribe | None = None
    if (block := read.maybe(element, "Abonneren")) is not None:
        subscribe = Subscribe(int(read.text(block, "MaximaleDuur")), read.text(block, "SubscriptionEndpointuri"))
    return ListedService(
        read.text(element, "GegevensdienstId"),
        read.text(element, "AuthorizationEndpoint", "AuthorizationEndpointuri"),
        read.text(element, "TokenEndpoint", "TokenEndpointuri"),
        MappingProxyType(roles),
        subscribe,
    )


def _names(read: _Reader, root: etree._Element) -> ServiceNameList:
    entries = read.all(root, "Gegevensdiensten", "Gegevensdienst")
    return ServiceNameList(
        read.heading(root),
        {read.text(entry, "GegevensdienstId"): read.text(entry, "Weergavenaam") for entry in entries},
    )


_READERS: dict[ListKind, Callable[[_Reader, etree._Element], AnyList]] = {
    ListKind.WHITELIST: _whitelist,
    ListKind.CLIENTS: _clients,
    ListKind.PROVIDERS: _providers,
    ListKind.NAMES: _names,
}
