"""Who is working: an account of the institution, its roles, departments and providers, read from verified claims."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.staff.rights import Right, rights_of
from gateway.staff.settings import StaffRole, StaffSettings

LONGEST = 120
"""Characters of an account or a name."""


class NoAccount(Exception):
    """A login that is right, of somebody who has nothing to do here; the text is one of our own words."""


@dataclass(frozen=True, slots=True)
class StaffAccount:
    """Somebody of the staff."""

    id: str
    name: str
    roles: tuple[StaffRole, ...]
    departments: tuple[str, ...]
    providers: tuple[str, ...]
    """MedMij names of the providers for which they work."""

    @property
    def rights(self) -> frozenset[Right]:
        """What they may do."""
        return rights_of(self.roles)

    def may(self, right: Right) -> bool:
        """Whether they may do this."""
        return right in self.rights

    def treats(self, department: str, assignee: str) -> bool:
        """Whether something is theirs to open: not routed yet, to one of their departments, or given to them.

        The login says who works where; who treats whom, no system tells the gateway (DL-C36, docs/staff.md).
        """
        return not department or department in self.departments or assignee == self.id


def account_of(claims: Mapping[str, Any], settings: StaffSettings, configured: Collection[str]) -> StaffAccount:
    """The account in verified claims; ``configured`` are the providers of this gateway. Raises NoAccount.

    Nobody is given more than the claims say: without a role, or a provider, there is no account.
    """
    named = settings.claims
    account = _text(claims.get(named.account))
    if not account:
        raise NoAccount("no-account")
    roles = tuple(dict.fromkeys(settings.roles[one] for one in _many(claims.get(named.roles)) if one in settings.roles))
    if not roles:
        raise NoAccount("no-role")
    known = set(configured)
    if named.providers:
        wanted: Collection[str] = _many(claims.get(named.providers))
    else:
        wanted = settings.providers or (tuple(configured) if len(known) == 1 else ())
    providers = tuple(sorted(known & set(wanted)))
    if not providers:
        raise NoAccount("no-provider")
    departments = _many(claims.get(named.departments)) if named.departments else ()
    return StaffAccount(account, _text(claims.get(named.name)) or account, roles, departments, providers)


def _text(value: object) -> str:
    """One line of printable text, or nothing: it ends up in the access trail and on pages."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text.isprintable() and len(text) <= LONGEST else ""


def _many(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
