"""A browser of somebody of the staff, in front of the hospital that takes in what citizens send."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
from world.share_house import PROVIDER, ShareHouse

from gateway.staff.account import StaffAccount
from gateway.staff.sessions import StaffSessions
from gateway.staff.settings import StaffRole, StaffSettings

STAFF = {"staff": StaffSettings(enabled=True)}
"""The section that turns the pages on."""
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')


def colleague(*roles: StaffRole, **about: Any) -> StaffAccount:
    """Somebody with these roles."""
    fields = {"id": f"{roles[0].value}-1", "name": "Nadia Bakker", "departments": (), "providers": (PROVIDER,)}
    return StaffAccount(roles=roles, **{**fields, **about})


@dataclass
class StaffBrowser:
    """Keeps the cookie of a session, and the token of the last page."""

    house: ShareHouse
    secret: str = ""
    token: str = field(default="", init=False)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; redirects are not followed."""
        return self.house.portal.call(partial(self._call, method, path, **options))

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.house.app)
        cookies = {"staff": self.secret} if self.secret else {}
        base = self.house.settings.base_url
        async with httpx.AsyncClient(transport=transport, base_url=base, cookies=cookies) as client:
            return await client.request(method, f"/staff{path}", headers={"accept-language": "en"}, **options)

    def page(self, path: str, status: int = 200) -> str:
        """A page with this status."""
        answer = self.call("GET", path)
        assert answer.status_code == status, (answer.status_code, answer.text)
        shown = _TOKEN.search(answer.text)
        self.token = shown.group(1) if shown else self.token
        return answer.text

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """Post a form of ours; ``token`` in place of that of the last page."""
        token = fields.pop("token", self.token)
        return self.call("POST", path, data={"csrf": token, **fields})


def working(house: ShareHouse, account: StaffAccount) -> StaffBrowser:
    """The browser of a colleague who is logged in."""
    sessions = StaffSessions(house.engine, timedelta(minutes=20), timedelta(hours=9))
    return StaffBrowser(house, sessions.open(account))
