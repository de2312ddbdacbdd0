"""Content negotiation: which format a client may send and gets back (RES-08, RES-09, ERR-47)."""

from enum import StrEnum

from profiles.fhir.version import FhirVersion


class Format(StrEnum):
    """The two exchange formats of FHIR that we speak."""

    JSON = "json"
    XML = "xml"


class NotAcceptable(ValueError):
    """No format can be agreed on. ``wrong_version``: the format was fine, the ``fhirVersion`` was another one."""

    def __init__(self, text: str, *, wrong_version: bool = False) -> None:
        self.text = text
        self.wrong_version = wrong_version
        super().__init__(text)


FORMATS = {
    "application/fhir+json": Format.JSON,
    "application/json+fhir": Format.JSON,
    "application/json": Format.JSON,
    "text/json": Format.JSON,
    "json": Format.JSON,
    "application/fhir+xml": Format.XML,
    "application/xml+fhir": Format.XML,
    "application/xml": Format.XML,
    "text/xml": Format.XML,
    "xml": Format.XML,
}
"""Every name by which a format is known; the short ones are for ``_format`` only."""

_WILD = {"*/*": Format.JSON, "application/*": Format.JSON, "text/*": Format.JSON}
_UNUSED = "other media types are not supported; use application/fhir+json or application/fhir+xml"


def negotiate(accept: str | None, format_param: str | None, version: FhirVersion) -> Format:
    """The format of the answer: ``_format`` before Accept; without either, JSON.

    ``format_param`` may have its plus decoded into a space. Raises NotAcceptable.
    """
    if format_param is not None and format_param.strip():
        return _from_parameter(format_param, version)
    if accept is None or not accept.strip():
        return Format.JSON
    best: tuple[float, int] = (0.0, 0)
    chosen: Format | None = None
    other_version = False
    for part in _split(accept, ","):
        media, parameters = _media_type(part)
        format_ = FORMATS.get(media) if "/" in media else None
        format_ = format_ or _WILD.get(media)
        if format_ is None:
            continue
        if not _fits(parameters, version):
            other_version = True
            continue
        rank = (_quality(parameters), _precision(media))
        if rank[0] > 0 and rank > best:
            best, chosen = rank, format_
    if chosen is not None:
        return chosen
    raise _version_error(version) if other_version else NotAcceptable(_UNUSED)


def negotiate_content(accept: str | None, format_param: str | None, version: FhirVersion, media: str) -> Format | None:
    """How a Binary is wanted: as a resource in a format, or None for the content itself, which is of type ``media``.

    The content itself goes to who asks for its type, for anything, for nothing, or for what we do not know; the
    resource to who names a format of FHIR. Raises NotAcceptable for another fhirVersion and an unknown ``_format``.
    """
    if format_param is not None and format_param.strip():
        return _from_parameter(format_param, version)
    own, _ = _media_type(media)
    wanted: list[tuple[float, int]] = []
    others = []
    for part in _split(accept or "", ","):
        name, parameters = _media_type(part)
        if name in FORMATS and "/" in name and name != own:
            others.append(part)
        elif name in _WILD or name == own:
            wanted.append((_quality(parameters), 4 if name == own else _precision(name)))
    if not others:
        return None
    best = max(((_quality(parameters), _precision(name)) for name, parameters in map(_media_type, others)))
    if best[0] <= 0 or (wanted and max(wanted) >= best):
        return None
    return negotiate(",".join(others), None, version)


def essence(text: str) -> str:
    """Type and subtype of a media type, in lower case and without parameters (RFC 9110, 8.3.1)."""
    return text.partition(";")[0].strip().lower()


def read_format(content_type: str | None, version: FhirVersion | None = None) -> Format:
    """The format of a body by its Content-Type; with ``version``, the fhirVersion in it must fit. NotAcceptable."""
    media, parameters = _media_type(content_type or "")
    format_ = FORMATS.get(media) if "/" in media else None
    if format_ is None:
        raise NotAcceptable(_UNUSED)
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise NotAcceptable("the charset must be UTF-8")
    if version is not None and not _fits(parameters, version):
        raise _version_error(version)
    return format_


def content_type(fmt: Format, version: FhirVersion) -> str:
    """The Content-Type of an answer, with the version that it is in."""
    return f"application/fhir+{fmt.value}; fhirVersion={version.mime}; charset=utf-8"


def _from_parameter(text: str, version: FhirVersion) -> Format:
    media, parameters = _media_type(text)
    media = media.replace(" ", "+")
    found = FORMATS.get(media) or _WILD.get(media)
    if found is None:
        raise NotAcceptable("_format asks for a format that is not supported; use json or xml")
    if not _fits(parameters, version):
        raise _version_error(version)
    return found


def _version_error(version: FhirVersion) -> NotAcceptable:
    return NotAcceptable(f"this endpoint speaks FHIR version {version.mime} only", wrong_version=True)


def _fits(parameters: dict[str, str], version: FhirVersion) -> bool:
    """Whether a fhirVersion, when given, is the one that is spoken; a patch number is tolerated."""
    asked = parameters.get("fhirversion")
    return asked is None or asked == version.mime or asked.startswith(version.mime + ".")


def _quality(parameters: dict[str, str]) -> float:
    """The q of a media range; one that cannot be read counts as absent."""
    text = parameters.get("q", "1")
    if len(text) > 6 or not text.replace(".", "", 1).isdecimal() or not text.isascii():
        return 1.0
    return min(float(text), 1.0)


def _precision(media: str) -> int:
    """Exact types win from wildcards, the types of FHIR from general ones (at equal q)."""
    if media in _WILD:
        return 1 if media != "*/*" else 0
    return 3 if "fhir" in media else 2


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = _split(text, ";")
    parameters: dict[str, str] = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if equals:
            parameters.setdefault(name.strip().lower(), _unquoted(value.strip()))
    return media.strip().lower(), parameters


def _unquoted(value: str) -> str:
    return value[1:-1].replace("\\", "") if len(value) > 1 and value[0] == value[-1] == '"' else value


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator that stands outside double quotes."""
    if '"' not in text:
        return text.split(separator)
    parts, quoted, start = [], False, 0
    for index, char in enumerate(text):
        if char == '"' and text[index - 1 : index] != "\\":
            quoted = not quoted
        elif char == separator and not quoted:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]
