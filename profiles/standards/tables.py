"""The tables of a standard as they stand in its files: one typed row per TOML table, checked while it is read.

The types are the documentation of the files (docs/standards.md says it in words). A mistake is told with the file, the
row and the key. What more a row has to obey (placeholders, includes, paths) is for `load` and `rows`.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from profiles import rows
from profiles.standards.receives import ReceivesTable

Text = Annotated[str, Meta(min_length=1)]
Texts = tuple[Text, ...]
ServiceId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-]{1,30}$")]
ServiceName = Annotated[str, Meta(min_length=3, max_length=50)]
Answer = Literal["all", "last", "one", "accepted", "refused"]
"""all: everything that matches; last: the newest of each kind; one: one resource; accepted: what was written;
refused: an error that the standard expects."""
PatientFrom = Literal["token", "query", "task"]
"""Where the patient of a request is found: in the access token, in the query (a BSN), in a task."""


class StandardError(ValueError):
    """A folder of a standard that cannot be used; the text names file and row."""


class ServiceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[service]]`` of standard.toml."""

    id: ServiceId
    name: ServiceName
    about: Text
    en: Text
    usecases: Texts = ()
    rows: Texts = ()
    """The rows of a service for one building block, by id; in place of ``usecases``."""
    version: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.\-]{0,18}$")] | None = None
    """Tells versions of one service apart that are offered side by side, each by a standard of its own."""
    group: Text | None = None
    """Services of one group stand on the consent page as one line that opens (`auth/pages/messages`, ``[groups]``)."""
    images: Text | None = None
    """The row whose documents lead to images of a PACS (`gateway.http.images`)."""
    function: Literal["collect", "share"] = "collect"
    roles: Texts = ()
    test: bool = False
    valid_from: date | None = None
    valid_until: date | None = None

    def __post_init__(self) -> None:
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        if bool(self.usecases) == bool(self.rows):
            raise ValueError("either usecases or rows says what the service holds")


class StandardTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """standard.toml."""

    id: Text
    title: Text
    nl: Text
    en: Text
    fhir: Text
    service: tuple[dict[str, Any], ...] = ()
    """Read one by one (`ServiceTable`), so that a mistake names its row."""
    ring: int = 2
    patient: PatientFrom = "token"
    packages: dict[str, str] = {}
    missing_packages: Texts = ()
    missing_profiles: Texts = ()
    reads: dict[str, Text | Texts] = {}
    draft: bool = False
    """Not settled yet: production refuses its services unless the provider says ``drafts = true``."""
    replaces: Text | None = None
    """The standard that this one is a later version of."""
    converts: Text | None = None
    """The standard whose data this one gives in another release: its rows, by their ids, say what is collected."""
    uses: dict[str, Texts] = {}
    """Rows or use cases of another standard that belong to this set, with the services that they have there."""
    testsets: Texts = ()
    capability: str | None = None
    variants: dict[str, str] = {}


class RequestTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[request]]`` of requests.toml."""

    id: Text
    nl: Text
    en: Text
    get: str | None = None
    post: str | None = None
    put: str | None = None
    usecase: Text = "serve"
    query: Texts = ()
    optional: Texts = ()
    expected: dict[str, Text] = {}
    """Names among ``query`` that a client may leave out, each with why and by which source (docs/standards.md)."""
    values: dict[str, Texts] = {}
    profiles: Texts = ()
    included: dict[str, Text | Texts] = {}
    secondary: Texts = ()
    """Types that a match may point at: readable by id as far as a match does, and nothing else is."""
    brings: Texts = ()
    """Includes that every answer gets without being asked."""
    within: Text | None = None
    """A row of a search: what is read or written by id must be among what that finds."""
    tolerant: bool = False
    """Whether other search parameters of FHIR itself may be sent: what the gateway knows narrows, the rest is left."""
    must: dict[str, Texts] = {}
    """By profile, the elements (elements.toml) that must be there whenever the source has them."""
    answer: Answer | None = None
    zibs: Texts = ()
    receives: ReceivesTable | None = None
    """What a row that writes takes in (profiles.standards.receives)."""


class RequestsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """requests.toml."""

    request: tuple[dict[str, Any], ...] = ()


T = TypeVar("T")


def read_row(where: str, table: object, kind: type[T]) -> T:
    """A table as a typed row; StandardError begins with ``where`` and ends with the key that is wrong."""
    try:
        return rows.typed(where, table, kind)
    except rows.RowError as fault:
        raise StandardError(str(fault)) from fault


def read_table(path: Path, kind: type[T]) -> T:
    """A TOML file as a typed table; StandardError when it cannot be read."""
    try:
        return rows.read(path, kind)
    except rows.RowError as fault:
        raise StandardError(str(fault)) from fault
