"""The colleagues of the demo's institutions, and their login: each role once, to see what it opens."""

from starlette.types import ASGIApp

from gateway.settings import Settings
from gateway.staff.settings import StaffClaims, StaffLoginSettings, StaffSettings
from workbench.idp.staff import TestColleague, TestStaffProvider

PROVIDERS = ("ziekenhuiszandoord", "huisartsenhetveer")
"""For whom they work: the hospital takes documents, the practice takes measurements, photos and requests."""
COLLEAGUES = (
    TestColleague(
        "n.bakker",
        "Nadia Bakker",
        ("care-professional",),
        PROVIDERS,
        ("longziekten",),
        "longverpleegkundige: postvak, correcties, vragenlijsten",
    ),
    TestColleague(
        "d.steenman",
        "Dirk Steenman",
        ("data-steward",),
        PROVIDERS,
        (),
        "gegevensbeheerder: post verdelen, correcties, kwaliteit, quarantaine",
    ),
    TestColleague("h.deskamp", "Hanneke Deskamp", ("helpdesk",), PROVIDERS, (), "helpdesk: opzoeken, toestemmingen"),
    TestColleague("o.beheer", "Omar Beheer", ("operator",), PROVIDERS, (), "beheerder: bronnen, naar het EPD, cijfers"),
    TestColleague("a.audit", "Anne Auditing", ("auditor",), PROVIDERS, (), "auditor: inzage en cijfers"),
    TestColleague("g.rolloos", "Gijs Rolloos", ("gast",), PROVIDERS, (), "heeft hier geen rol"),
)


def staff_settings(base: str) -> StaffSettings:
    """The staff pages of the demo, behind their test login."""
    login = StaffLoginSettings(issuer=f"{base}/staff-idp")
    return StaffSettings(enabled=True, login=login, claims=StaffClaims(providers="providers"))


def staff_login(settings: Settings) -> ASGIApp:
    """The test login of the staff."""
    callback = f"{settings.base_url}/staff/callback"
    return TestStaffProvider(settings.staff.login, COLLEAGUES, [callback]).app
