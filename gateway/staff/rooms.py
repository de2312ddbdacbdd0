"""All staff pages together: the door and the rooms, as routes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine
from starlette.routing import BaseRoute

from auth.login.oidc import OidcLogin
from auth.store.rows import ConsentEntry
from gateway.audit.trail import Trail
from gateway.collect.pipeline import Sources
from gateway.report.settings import ReportSettings
from gateway.share.deeds import Targets
from gateway.share.keep import Keys
from gateway.staff.corrections import CorrectionsRoom
from gateway.staff.door import StaffDoor
from gateway.staff.erasure import ErasureRoom
from gateway.staff.guard import StaffGuard
from gateway.staff.helpdesk import PersonRoom, TraceRoom
from gateway.staff.inbox import InboxRoom
from gateway.staff.months import MonthsRoom
from gateway.staff.operations import FilingRoom, QuarantineRoom, SourcesRoom
from gateway.staff.questionnaires import QuestionnairesRoom
from gateway.staff.reports import ReportRooms
from gateway.staff.sessions import StaffSessions
from gateway.staff.settings import StaffSettings
from gateway.staff.withhold import WithholdRoom
from profiles.standards.load import Catalogue, UnknownService


@dataclass(frozen=True, slots=True)
class StaffHouse:
    """What the pages stand on. ``names``: providers by MedMij name; ``offered``: the standards of each,
    ``services`` its data services."""

    settings: StaffSettings
    base: str
    engine: Engine
    trail: Trail
    keys: Keys
    targets: Targets
    sources: Mapping[str, Sources]
    names: Mapping[str, str]
    offered: Mapping[str, Sequence[str]]
    services: Mapping[str, Sequence[str]]
    reports: ReportSettings
    consents: Callable[[str], list[ConsentEntry]]
    catalogue: Catalogue
    cache: str


def staff_routes(house: StaffHouse) -> list[BaseRoute]:
    """Everything below /staff."""
    section = house.settings
    sessions = StaffSessions(house.engine, timedelta(minutes=section.idle_minutes), timedelta(hours=section.hours))
    guard = StaffGuard(house.engine, house.trail, sessions, secure=house.base.startswith("https://"))
    door = StaffDoor(guard, section, OidcLogin(section.login), house.keys.ring, house.base, tuple(house.names))

    def service(id_: str) -> str:
        """The name of a data service; its number where there is none."""
        try:
            return house.catalogue.service(id_)[1].name
        except UnknownService:
            return id_

    return [
        *door.routes,
        *InboxRoom(guard, house.targets, section.reasons, service).routes,
        *CorrectionsRoom(guard, house.keys, house.targets, lambda name: house.names.get(name, name)).routes,
        *QuestionnairesRoom(guard, house.keys).routes,
        *FilingRoom(guard).routes,
        *QuarantineRoom(guard).routes,
        *SourcesRoom(guard, house.sources).routes,
        *ReportRooms(guard, house.catalogue, house.offered, house.cache).routes,
        *PersonRoom(guard, house.keys.pseudonyms, house.consents, service).routes,
        *TraceRoom(guard, service).routes,
        *WithholdRoom(guard).routes,
        *ErasureRoom(guard, house.keys).routes,
        *MonthsRoom(guard, house.reports, house.services).routes,
    ]
