"""The exchange with other institutions, put together: its door, its outbox, and what collects from them."""

from gateway.collect.judged import PullGate
from gateway.collect.pipeline import Around, Collector, sources_of
from gateway.exchange.assertions import AssertionSigner, KeyFault
from gateway.exchange.referrals import Referrals
from gateway.exchange.running import ExchangeParts, assembled
from gateway.release.shield import Audience, ReleasePolicy
from gateway.settings import Settings, SettingsError
from gateway.share.keep import Keys
from gateway.store.engine import open_engine
from gateway.store.patience import impatient
from gateway.store.reader import open_reader
from gateway.wiring import keys_of, leaving_of, open_recorder, open_trail, release_rules
from profiles.record.expect import Expectations
from profiles.standards.load import catalogue


def open_referrals(settings: Settings) -> Referrals:
    """The referrals of this house."""
    standards = catalogue().standards
    return Referrals(settings.exchange, Keys(*keys_of(settings)), lambda id_: standards[id_])


def wire_exchange(settings: Settings, *, around: Around = lambda adapter: adapter) -> ExchangeParts:
    """Make the door for other institutions, its outbox, and what collects from them.

    Raises SettingsError, AdapterMisconfigured, ValueError or OSError when the settings cannot be used.
    """
    release_rules(settings)
    section, seconds = settings.exchange, settings.limits.database_seconds
    try:
        signer = AssertionSigner.read(section.keys)
    except KeyFault as fault:
        raise SettingsError(f"exchange.keys: {fault}") from fault
    engine, reader = impatient(open_engine(settings.database_url), seconds), open_reader(settings.database_url, seconds)
    keys, trail, recorder = Keys(*keys_of(settings)), open_trail(engine, settings), open_recorder(engine, settings)
    sources = {
        name: sources_of(given, 0.0, around) for name, given in settings.providers.items() if name in section.parties
    }
    collector = Collector(
        reader=reader,
        ring=keys.ring,
        providers=sources,
        expected=Expectations(catalogue()),
        deadline=settings.limits.deadline_seconds,
        quality=PullGate(recorder),
        leaving=leaving_of(settings),
        release=ReleasePolicy(settings.release.rules, Audience.INSTITUTION),
    )
    made = (engine, reader, trail, recorder, sources)
    return assembled(section, settings.connections, open_referrals(settings), signer, collector, keys, *made)
