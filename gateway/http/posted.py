"""A search whose parameters come in the body: ``POST Type/_search`` asks exactly what ``GET Type?...`` asks.

FHIR (search, "Introduction") lets a client choose; some do so to keep parameters out of the logs of others. The form is
read here, within the bound of a query string, and the rest of the way does not see the difference.
"""

from dataclasses import replace

from starlette.types import Receive

from gateway.http.progress import Progress
from gateway.problems import Problem

FORM = "application/x-www-form-urlencoded"
SEARCH = "/_search"


async def take_form(progress: Progress, receive: Receive, limit: int) -> None:
    """Turn a posted search into the search that it stands for; leaves every other request as it is.

    Raises Problem: 415 for another content type, 413 for a form longer than ``limit`` bytes, 400 for half of one.
    """
    exchange, rest = progress.exchange, progress.address.rest
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
