"""Runs in an environment of its own: drives the public client library of 2018, in turns with the test.

Each line on stdin and stdout is one JSON value. The test starts it with the lists; it asks for a browser and for a
POST, and ends with the access token. Nothing of ours is imported here, and our code imports nothing of the library.
"""

import asyncio
import json
import sys
from types import SimpleNamespace

from medmij_lists import GNL, ZAL
from medmij_oauth.client import Client, DataStore


def ask(question):
    """Put a question to the test and wait for its answer."""
    sys.stdout.write(json.dumps(question) + "\n")
    sys.stdout.flush()
    return json.loads(sys.stdin.readline())


class Memory(DataStore):
    """One session, in memory."""

    session = None

    async def create_oauth_session(self, state, za_name, gegevensdienst_id, scope, **kwargs):
        self.session = SimpleNamespace(
            state=state, za_name=za_name, gegevensdienst_id=gegevensdienst_id, scope=scope,
            authorization_code=None, authorized=False, access_token=None,
        )  # fmt: skip
        return self.session

    async def get_oauth_session_by_id(self, oauth_session_id, **kwargs):
        return self.session

    async def get_oauth_session_by_state(self, state, **kwargs):
        return self.session if self.session.state == state else None

    async def save_oauth_session(self, oauth_session, **kwargs):
        return oauth_session


async def visit(start):
    """The calls in the order that the library documents."""

    async def zal():
        return ZAL(start["zal"].encode())

    async def gnl():
        return GNL(start["gnl"].encode())

    async def make_request(url, body):
        return ask({"post": url, "form": body})

    client = Client(
        Memory(), zal, gnl, {"client_id": start["client_id"], "redirect_uri": start["redirect_uri"]}, make_request
    )
    session = await client.create_oauth_session(start["provider"], start["service"])
    if start.get("scope"):
        session.scope = start["scope"]
    back = ask({"browse": await client.create_auth_request_url(session)})
    session = await client.handle_auth_response(back)
    session = await client.exchange_authorization_code(session)
    ask({"access_token": session.access_token})


asyncio.run(visit(json.loads(sys.stdin.readline())))
