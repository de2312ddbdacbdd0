"""Questions whose parameters come in the body: ``POST Type/_search`` asks exactly what ``GET Type?...`` asks.

FHIR (search, "Introduction") lets a client choose; some do so to keep parameters out of the logs of others. The form is
read here, within the bound of a query string, and the rest of the way does not see the difference. A summary may be
asked in the same way, with Parameters (FHIR R4, operations 3.2.0.1; IPS, operation ``$summary``).
"""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

from starlette.types import Receive

from gateway.http.progress import Progress
from gateway.problems import Problem
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format, NotAcceptable, read_format
from profiles.fhir.tree import Resource

FORM = "application/x-www-form-urlencoded"
SEARCH = "/_search"
SUMMARY = "/$summary"


async def take_form(progress: Progress, receive: Receive, limit: int) -> None:
    """Turn a posted search or summary into the one that it stands for; leaves every other request as it is.

    Raises Problem: 415 for another content type, 413 for a body longer than ``limit`` bytes, 400 for half of one, and
    for Parameters that are none. Raises FormatError for a body that cannot be read.
    """
    exchange, rest = progress.exchange, progress.address.rest
    if exchange.method == "POST" and rest.endswith(SUMMARY):
        await _take_parameters(progress, receive, limit)
    if exchange.method != "POST" or not rest.endswith(SEARCH):
        return
    # The reply is that of a search, whatever is wrong with the form.
    progress.address = replace(progress.address, rest=rest.removesuffix(SEARCH))
    media = (exchange.header(b"content-type") or FORM).partition(";")[0].strip().lower()
    if media != FORM:
        raise Problem(415, "not-supported", f"The parameters of a search come as {FORM}.")
    form = await _body(receive, limit)
    query = b"&".join(part for part in (bytes(exchange.scope.get("query_string", b"")), form) if part)
    exchange.scope = {**exchange.scope, "method": "GET", "query_string": query}


async def _take_parameters(progress: Progress, receive: Receive, limit: int) -> None:
    exchange = progress.exchange
    asked = exchange.scope
    exchange.scope = {**asked, "method": "GET"}  # Whatever is wrong with the body, the reply is that of a question.
    body = await _body(receive, limit)
    if not body.strip():
        return
    try:
        given = read_format(exchange.header(b"content-type"), progress.address.version)
    except NotAcceptable as fault:
        raise Problem(415, "not-supported", "The body of this operation comes as FHIR: JSON or XML.") from fault
    resource = jsonio.parse(body) if given is Format.JSON else xmlio.parse(body, progress.address.version)
    more = urlencode(list(_pairs(resource))).encode()
    query = b"&".join(part for part in (bytes(asked.get("query_string", b"")), more) if part)
    exchange.scope = {**exchange.scope, "query_string": query}


def _pairs(resource: Resource) -> Iterator[tuple[str, str]]:
    """Name and value of each row of Parameters. Raises Problem."""
    if resource.get("resourceType") != "Parameters":
        raise Problem(400, "invalid", "The body of this operation is a Parameters resource.")
    rows = resource.get("parameter", [])
    for row in rows if isinstance(rows, list) else [None]:
        name = row.get("name") if isinstance(row, dict) else None
        values = [value for key, value in row.items() if key.startswith("value")] if isinstance(row, dict) else []
        if len(values) != 1 or not isinstance(values[0], str) or not isinstance(name, str):
            raise Problem(400, "value", "Each parameter of this operation has a name and one value, a text.")
        yield name, values[0]


async def _body(receive: Receive, limit: int) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > limit:
            raise Problem(413, "too-long", f"The parameters are longer than {limit} bytes.")
        if message["type"] == "http.disconnect":
            # Nobody hears this; but half a question is not a question.
            raise Problem(400, "incomplete", "The parameters ended early.")
        if not message.get("more_body"):
            return body
