"""What looks at live sources for subscriptions, put together."""

from gateway.calendar import today_here
from gateway.collect.fanout import FanOut
from gateway.collect.pipeline import Collector, Sources
from gateway.release.shield import ReleasePolicy
from gateway.subscriptions.live import LiveNews
from gateway.wiring import Wiring, keys_of, leaving_of, subscribable
from profiles.record.expect import Expectations
from profiles.standards.load import catalogue


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
    pseudonyms, ring = keys_of(settings)
    collector = Collector(
        reader=wiring.reader,
        ring=ring,
        providers=live,
        expected=Expectations(catalogue()),
        deadline=settings.limits.deadline_seconds,
        leaving=leaving_of(settings),
        release=ReleasePolicy(settings.release.rules),
    )
    return LiveNews(
        wiring.engine, settings.subscription, catalogue(), collector, wiring.trail, subscribable(settings),
        pseudonyms.mark, today_here,
    )  # fmt: skip
