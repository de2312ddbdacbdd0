"""The FHIR endpoint of the public application, put together: what collects, answers, receives and describes."""

from pathlib import Path

from auth.metadata import metadata, smart_configuration
from auth.peer.transport import peer_of
from gateway.calendar import today_here
from gateway.collect.converted import ConvertedCollector
from gateway.collect.judged import PullGate
from gateway.collect.pipeline import Collector
from gateway.http.address import Addresses
from gateway.http.admission import Admissions
from gateway.http.answer import Answers
from gateway.http.bodies import BodyRoom
from gateway.http.fhir import FhirEndpoint
from gateway.http.images import Images
from gateway.http.partial import Partials
from gateway.http.sharing import Sharing
from gateway.http.signpost import Signpost
from gateway.http.statements import Statements
from gateway.http.summary import Summaries
from gateway.http.viewings import Viewings
from gateway.rates import Rate
from gateway.sections import OverloadSettings
from gateway.settings import Settings, authorization
from gateway.wiring import Wiring, display_names, keys_of, open_collector
from gateway.wiring.sharing import open_receiving
from profiles.fhir.codec import jsonio
from profiles.standards.capability import OAuthUrls
from profiles.standards.load import catalogue


def collector_of(wiring: Wiring) -> Collector:
    """What collects one person's record."""
    return open_collector(
        wiring.settings, wiring.reader, wiring.sources, quality=PullGate(wiring.quality), rekey=wiring.rekeying
    )


def endpoint_of(wiring: Wiring, collector: Collector) -> FhirEndpoint:
    """The FHIR endpoint of these parts."""
    settings, behaviour = wiring.settings, wiring.settings.resource_server
    pseudonyms, _ = keys_of(settings)
    known = catalogue() if behaviour.document_manifest else catalogue().without("DocumentManifest")
    base = settings.base_url
    strict = behaviour.trace_ids == "strict"
    own = {name.lower(): one.partial for name, one in settings.clients.items() if one.partial is not None}
    overload = settings.overload
    partials = Partials(behaviour.partial, behaviour.partial_of, own)
    persons = Rate(overload.person_per_second, overload.person_burst)
    admissions = Admissions(wiring.auth.bearer, peer_of, strict, settings.limits.query_bytes, persons)
    pace = Rate(overload.image_per_second, overload.image_burst)
    converting = ConvertedCollector(collector, known, wiring.quality.gate.counting.verdicts.report, today_here)
    summaries = Summaries(converting, display_names(settings), partials, Path(settings.own_record.font))
    answers = Answers(
        collector, pseudonyms, behaviour.source_header, partials, explains=settings.mode == "test",
        converting=converting, summaries=summaries, losses=behaviour.losses,
    )  # fmt: skip
    return FhirEndpoint(
        addresses=Addresses(known, frozenset(wiring.registry.names()), base),
        admissions=admissions,
        answers=answers,
        statements=_statements(settings),
        trail=wiring.trail,
        today=today_here,
        sharing=sharing_of(wiring, collector),
        wrong_version_status=behaviour.wrong_version_status,
        note=wiring.auth.parts.note if wiring.chain.enabled else None,
        images=Images(wiring.archives, admissions, answers, Viewings(wiring.trail), pace) if wiring.archives else None,
        signpost=Signpost(wiring.registry) if settings.mode == "test" else None,
    )


def sharing_of(wiring: Wiring, collector: Collector) -> Sharing:
    """What answers requests that send something."""
    settings = wiring.settings
    _, ring = keys_of(settings)
    receiving = open_receiving(wiring.engine, settings, wiring.quality.gate.counting)
    room = BodyRoom(settings.share.spool_bytes, settings.share.body_seconds)
    return Sharing(collector, receiving, room, ring, settings.share.spool)


def _statements(settings: Settings) -> Statements:
    section, back = authorization(settings), settings.base_url
    said = metadata(section, back)
    urls = OAuthUrls(said["authorization_endpoint"], said["token_endpoint"])
    return Statements(urls, jsonio.dump(dict(smart_configuration(section, back))), _pace_in_words(settings.overload))


def _pace_in_words(overload: OverloadSettings) -> str:
    if not overload.image_per_second:
        return "Images: no limit of their own."
    return (
        f"Images: at most {overload.image_burst} at once and {overload.image_per_second:g} a second after that, of one "
        "person by one client; then 429 with Retry-After."
    )
