"""The FHIR interactions, as data, without HTTP: what a method and a path below the base ask for."""

import re
from dataclasses import dataclass

from profiles.fhir.version import FhirVersion


@dataclass(frozen=True, slots=True)
class FhirRequest:
    """One FHIR request, read from the URL but free of HTTP. ``operation`` is the name without the ``$``."""

    version: FhirVersion
    interaction: str
    type: str | None = None
    id: str | None = None
    operation: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    format: str = "json"
    base: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """What a method and path stand for."""

    interaction: str
    type: str | None = None
    id: str | None = None
    operation: str | None = None


class UnknownRoute(ValueError):
    """No FHIR interaction has this method and path. ``status`` is 400, 404 or 405; ``text`` is public."""

    def __init__(self, status: int, issue_code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.issue_code = issue_code
        self.text = text


_TYPE, _ID, _NAME = (
    r"(?P<type>[A-Z][A-Za-z]{1,63})",
    r"(?P<id>[A-Za-z0-9\-.]{1,64})",
    r"\$(?P<operation>[a-z][a-z\-]{0,63})",
)
_ROUTES: tuple[tuple[re.Pattern[str], dict[str, str]], ...] = tuple(
    (re.compile(pattern, re.ASCII), methods)
    for pattern, methods in (
        (r"metadata", {"GET": "capabilities"}),
        (r"", {"POST": "transaction"}),
        (_TYPE, {"GET": "search-type", "POST": "create"}),
        (rf"{_TYPE}/{_NAME}", {"GET": "operation"}),
        (rf"{_TYPE}/{_ID}", {"GET": "read", "PUT": "update"}),
        (rf"{_TYPE}/{_ID}/{_NAME}", {"GET": "operation"}),
    )
)


def route(method: str, path: str) -> Route:
    """Look up the interaction of a method and a path below the FHIR base (decoded, without query).

    HEAD counts as GET. UnknownRoute: 400 for a path that is no FHIR path (``DocumentReference/$``), 405 for a method
    that the path does not have, 404 for what is FHIR but served nowhere (``_history``). A posted search
    (``POST Type/_search``) is read before it comes here, as the search that it stands for.
    """
    method = "GET" if method == "HEAD" else method
    path = path.strip("/")
    for pattern, methods in _ROUTES:
        found = pattern.fullmatch(path)
        if found is None:
            continue
        if method not in methods:
            raise UnknownRoute(405, "not-supported", "This method is not supported here.")
        return Route(methods[method], **found.groupdict())
    if re.match(r"[A-Z]", path) is None or "/_" in path:
        raise UnknownRoute(404, "not-supported", "This address is not served here.")
    raise UnknownRoute(400, "invalid", "This is not a FHIR request: write Type, Type/id or Type/$operation.")
