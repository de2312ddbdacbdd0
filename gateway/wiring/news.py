"""What notices news for subscriptions and tells the PGOs, put together: of the store, and of live sources."""

from sqlalchemy import Engine

from auth.clients.lists import CurrentLists
from auth.clients.model import ListedClient
from gateway.calendar import today_here
from gateway.collect.fanout import FanOut
from gateway.collect.pipeline import Sources
from gateway.release.shield import ReleasePolicy
from gateway.settings import Settings
from gateway.subscriptions.live import LiveNews
from gateway.subscriptions.notify import Notifier, Served
from gateway.wiring import Wiring, keys_of, open_collector, outside_client
from profiles.standards.load import catalogue


def subscribable(settings: Settings) -> Served:
    """Whether a provider offers subscriptions to a service."""

    def offers(provider: str, service: str) -> bool:
        return provider in settings.providers and service in settings.providers[provider].subscriptions

    return offers


def open_notifier(engine: Engine, settings: Settings, lists: CurrentLists) -> Notifier:
    """What notices news for subscriptions, and tells the PGOs."""

    def listed(host: str) -> ListedClient | None:
        return lists.clients.find(host) if lists.whitelist.holds(host) else None

    return Notifier(
        engine,
        settings.subscription,
        catalogue(),
        lambda: outside_client(settings),
        listed,
        subscribable(settings),
        today_here,
        production=settings.mode == "production",
        release=ReleasePolicy(settings.release.rules),
    )


def open_live_news(wiring: Wiring) -> LiveNews | None:
    """What notices news of live sources; None when no provider with subscriptions has any.

    It asks the sources that requests ask, so that it waits with them while one is down; it keeps no answer, and counts
    no verdict: the same data every half an hour would be most of every figure.
    """
    settings = wiring.settings
    live = {
        name: Sources(False, FanOut(given.live.sources, prefixed=given.live.prefixed))
        for name, given in wiring.sources.items()
        if given.live.sources and settings.providers[name].subscriptions
    }
    if not live:
        return None
    collector = open_collector(settings, wiring.reader, live)
    return LiveNews(
        wiring.engine, settings.subscription, catalogue(), collector, wiring.trail, subscribable(settings),
        keys_of(settings)[0].mark, today_here,
    )  # fmt: skip
