"""The exchange with other institutions, put together: its door, its outbox, and what collects from them."""

from gateway.collect.judged import PullGate
from gateway.collect.pipeline import Around, sources_of
from gateway.exchange.assertions import AssertionSigner, KeyFault
from gateway.exchange.referrals import Referrals
from gateway.exchange.running import ExchangeParts, assembled
from gateway.release.shield import Audience
from gateway.settings import Settings, SettingsError
from gateway.share.keep import Keys
from gateway.store.engine import open_engine
from gateway.store.patience import impatient
from gateway.store.reader import open_reader
from gateway.wiring import keys_of, open_collector, open_recorder, open_trail, release_rules
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
    collector = open_collector(settings, reader, sources, audience=Audience.INSTITUTION, quality=PullGate(recorder))
    made = (engine, reader, trail, recorder, sources)
    return assembled(section, settings.connections, open_referrals(settings), signer, collector, keys, *made)
