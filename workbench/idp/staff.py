"""The test login of the institution's own people: invented colleagues with roles, no passwords, real protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.responses import Response

from auth.bridges import OidcSettings
from workbench.idp.provider import TestProvider


@dataclass(frozen=True, slots=True)
class TestColleague:
    """Somebody of the staff of an institution of the demo world."""

    __test__ = False

    account: str
    name: str
    roles: tuple[str, ...]
    providers: tuple[str, ...]
    departments: tuple[str, ...] = ()
    about: str = ""


class TestStaffProvider(TestProvider):
    """The same provider, with colleagues in place of patients."""

    __test__ = False

    def __init__(self, settings: OidcSettings, colleagues: Sequence[TestColleague], callbacks: Sequence[str]) -> None:
        super().__init__(settings, (), callbacks)
        self._colleagues: Mapping[str, TestColleague] = {one.account: one for one in colleagues}

    def _who(self, form: FormData) -> tuple[str, str] | None:
        account = str(form.get("account") or "")
        return (account, "") if account in self._colleagues else None

    def _claims(self, who: str, level: str, query: dict[str, str], represented: str) -> dict[str, Any]:
        colleague = self._colleagues[who]
        return {
            **self._protocol(query),
            "preferred_username": colleague.account,
            "name": colleague.name,
            "roles": list(colleague.roles),
            "departments": list(colleague.departments),
            "providers": list(colleague.providers),
        }

    def _page(self, ticket: str, query: dict[str, str], *, wrong: bool = False, status: int = 200) -> Response:
        shown = {"ticket": ticket, "wrong": wrong, "colleagues": list(self._colleagues.values())}
        return self._html("staff.html", query, status, **shown)
