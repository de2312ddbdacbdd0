"""Where a browser may be sent: the rules for redirect_uri on the raw string, and how answers are appended.

No URL library decides here. The grammar below is narrower than RFC 3986 on purpose: what browsers and libraries read
differently (user-info, backslash, encoded host, control characters, dot segments) does not fit it.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote

MAX_REDIRECT = 2000
_PCHAR = r"[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2}"
_URI = re.compile(rf"https://([a-z0-9.\-]{{1,253}})((?:/(?:{_PCHAR})*)*)(?:\?((?:{_PCHAR}|[/?])*))?")
_DOTS = re.compile(r"/(?:\.|%2[eE]){1,2}(?=/|\Z)")
_ANSWER_NAMES = frozenset({"code", "state", "error", "error_description", "error_uri", "iss"})


def allowed(uri: str, client_id: str, local: Sequence[str] = ()) -> bool:
    """True when a browser may be sent to `uri` for this client (AUTH-04, ERR-02).

    `local` holds exact URIs that test mode allows besides. The query must not hold a name that our answer uses, or
    the client could not tell which one is ours.
    """
    if uri in local:
        return True
    found = _URI.fullmatch(uri) if len(uri) <= MAX_REDIRECT else None
    if found is None or found[1] != client_id or _DOTS.search(found[2]):
        return False
    names = {part.partition("=")[0] for part in (found[3] or "").split("&")}
    return not any("%" in name or name in _ANSWER_NAMES for name in names)


def answer(redirect_uri: str, fields: Sequence[tuple[str, str]], raw_state: str | None) -> str:
    """The Location of an authorization response: fields appended, `state` last and exactly as it came (AUTH-09)."""
    pairs = [f"{name}={quote(value, safe='')}" for name, value in fields]
    if raw_state is not None:
        pairs.append(f"state={raw_state}")
    return redirect_uri + ("&" if "?" in redirect_uri else "?") + "&".join(pairs)


def origin(uri: str) -> str:
    """Scheme and authority, for the Content-Security-Policy."""
    return "/".join(uri.split("/", 3)[:3])
