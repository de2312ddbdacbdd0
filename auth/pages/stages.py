"""What each step of a visit shows."""

from starlette.responses import Response

from auth.events import EventType
from auth.flows.session import Live, Session
from auth.flows.visit import Visits
from auth.pages.catalogue import CATALOGUE
from auth.pages.contexts import Consent, ConsentGroup, ConsentService, Landing, ManageLanding, RefusedPage, grouped
from auth.pages.presenter import VISIT, Presenter, day_of
from auth.ports import Provider

_KINDS = {"collect": "consent", "share": "confirm", "subscribe": "subscribe"}
_REFUSED = {"ERR-12": ("refused.title_cancelled", "cancelled"), "ERR-13": ("refused.title_login", "login")}


class Stages:
    """Landing, consent and refusal."""

    def __init__(self, visits: Visits, presenter: Presenter) -> None:
        self._visits = visits
        self._show = presenter

    def step(self, live: Live) -> Response:
        """The page of the step where the visit is."""
        if live.step == "consent":
            return self._consent(live)
        if live.step == "refused":
            return self._refused(live)
        return self.landing(live)

    def landing(self, live: Live, *, wrong: bool = False) -> Response:
        """The page before login (UI-05); ``wrong``: who acts for another did not say for whom."""
        content = live.content
        page: Landing | ManageLanding
        if content.manage:
            kind = "own" if content.own_record else "manage"
            page = ManageLanding(VISIT + content.id, content.csrf, kind, self._visits.acting_kinds(content), wrong)
        else:
            page = Landing(VISIT + content.id, content.csrf, content.function, content.representation)
        return self._show.page(page, language=content.language, content=content)

    def _consent(self, live: Live) -> Response:
        content = live.content
        provider = self._visits.provider(content)
        kind = "unsubscribe" if content.days == 0 else _KINDS[content.function]
        self._visits.note(EventType.SHOW_CONSENT_PAGE, content)
        page = Consent(
            kind=kind,
            visit=VISIT + content.id,
            csrf=content.csrf,
            groups=self._groups(content, provider),
            absent=self._absent(content, provider),
            name=content.name,
            privacy_url=provider.privacy_url,
            replaces=content.replaces,
            representing=content.representation,
            born=day_of(content.birth_date) if content.birth_date else None,
            days=content.days,
        )
        return self._show.page(page, language=content.language, content=content)

    def _groups(self, content: Session, provider: Provider) -> tuple[ConsentGroup, ...]:
        """What can be delivered, as the page shows it."""
        known = provider.services
        named = zip(content.offered, self._show.service_names(provider, content.offered), strict=True)
        return grouped(
            (
                known[id_].group if id_ in known else None,
                ConsentService(
                    name,
                    held.parts if held else (),
                    held.since if held else None,
                    known[id_].about if id_ in known else "",
                ),
            )
            for id_, name in named
            for held in (content.contents.get(id_),)
        )

    def _absent(self, content: Session, provider: Provider) -> tuple[tuple[str, str], ...]:
        """The services that were asked for and are not there: name, and key of the reason."""
        ids = tuple(content.absent)
        names = self._show.service_names(provider, ids)
        return tuple((name, f"reason.{content.absent[id_]}") for id_, name in zip(ids, names, strict=True))

    def _refused(self, live: Live) -> Response:
        content = live.content
        title, other = _REFUSED.get(content.refusal or "", ("refused.title", "source-down"))
        reason = content.reason or other
        provider = self._visits.parts.providers.find(content.provider or "")
        page = RefusedPage(
            title=title,
            visit=VISIT + content.id,
            reason=f"reason.{reason}{_about_another(content, reason)}",
            has_client=not content.manage,
            contact_phone=provider.phone if provider else None,
        )
        return self._show.page(page, language=content.language, content=content)


def _about_another(content: Session, reason: str) -> str:
    """The suffix of the text that speaks of the person for whom somebody acts, where there is one."""
    return "_for" if content.representation and f"{reason}_for" in CATALOGUE["nl"]["reason"] else ""
