"""What is known of a document: beside it in YAML or JSON, else inside the PDF."""

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Literal, TypeVar

import pikepdf
import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

log = logging.getLogger(__name__)

M = TypeVar("M", bound=BaseModel)

SIDECAR_BYTES = 64_000
_PDF_DATE = re.compile(r"D:(\d{14})(Z|[+-]\d\d'?\d\d'?)?")


class MetadataError(ValueError):
    """Metadata that cannot be read; the text names the field, never its value."""


class Metadata(BaseModel):
    """The fields of a sidecar file; all may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.\-]{1,64}$")
    title: str | None = None
    type_system: str | None = None
    type_code: str | None = None
    type_display: str | None = None
    author: str | None = None
    created: AwareDatetime | None = None
    status: Literal["current", "superseded"] = "current"
    language: str = "nl-NL"


class FolderPerson(BaseModel):
    """``patient.yaml``: whose documents are in this folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bsn: str = Field(pattern=r"^\d{9}$", repr=False)
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.\-]{1,64}$")
    name: str | None = Field(default=None, repr=False)
    birth_date: str | None = Field(default=None, repr=False, pattern=r"^\d{4}(-\d\d){0,2}$")


class _Text(yaml.CSafeLoader):
    """YAML whose dates and numbers stay text."""


_Text.yaml_implicit_resolvers = {}


def read_sidecar(data: bytes, suffix: str) -> Metadata:
    """Read a sidecar. Raises `MetadataError`."""
    return _validated(Metadata, _load(data, suffix))


def read_person(data: bytes) -> FolderPerson:
    """Read ``patient.yaml``. Raises `MetadataError`."""
    return _validated(FolderPerson, _load(data, ".yaml"))


def from_pdf(data: bytes) -> Metadata:
    """Title, author and date out of the XMP packet or the information dictionary; empty when the PDF has neither."""
    try:
        with pikepdf.open(BytesIO(data)) as pdf:
            with pdf.open_metadata() as packet:
                title = _words(packet.get("dc:title"))
                author = _words(packet.get("dc:creator"))
                created = _moment(packet.get("xmp:CreateDate"))
            info: Mapping[str, Any] = pdf.docinfo
            title = title or _words(info.get("/Title"))
            author = author or _words(info.get("/Author"))
            created = created or _moment(info.get("/CreationDate"))
            return Metadata(title=title, author=author, created=created)
    except (pikepdf.PdfError, ValueError, KeyError, TypeError) as error:
        log.info("no metadata in a PDF (%s)", type(error).__name__)
        return Metadata()


def _load(data: bytes, suffix: str) -> Any:
    if len(data) > SIDECAR_BYTES:
        raise MetadataError("metadata larger than the limit allows")
    try:
        return json.loads(data) if suffix == ".json" else yaml.load(data, _Text)  # noqa: S506 - a SafeLoader
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise MetadataError("metadata that cannot be read") from error


def _validated(model: type[M], raw: Any) -> M:
    try:
        return model.model_validate(raw if raw is not None else {})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MetadataError(f"metadata: {place}: {first['msg']}") from None


def _words(value: Any) -> str | None:
    text = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value) if value else ""
    return text.strip()[:500] or None


def _moment(value: Any) -> datetime | None:
    """An XMP or PDF date; one without a zone does not say when it was and is left out."""
    text = str(value) if value else ""
    found = _PDF_DATE.fullmatch(text)
    try:
        if found and found[2]:
            zone = "+0000" if found[2] == "Z" else found[2].replace("'", "")
            return datetime.strptime(found[1] + zone, "%Y%m%d%H%M%S%z").astimezone(UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
