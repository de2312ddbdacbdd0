"""What citizens send, put together: who takes it in, who looks for malware, and what takes it to the EHR."""

from collections.abc import Mapping

from sqlalchemy import Engine

from adapters.filing.build import filing_settings, write_back
from adapters.filing.port import WriteBack
from adapters.filing.settings import FilingSettings
from gateway.quality.gate import Counting, Gate
from gateway.quality.settings import PolicyRule
from gateway.settings import Settings
from gateway.share.deeds import Targets
from gateway.share.files import Scan
from gateway.share.filing import Outbox
from gateway.share.keep import Keys
from gateway.share.receiving import Receiving
from gateway.share.scan import CommandScan, IcapScan
from gateway.share.settings import ShareSettings
from gateway.share.settle import ShareSettling
from gateway.wiring import display_names, keys_of, leaving_of
from profiles.record.expect import Expectations
from profiles.standards.load import catalogue

WriteBacks = Mapping[str, Mapping[str, WriteBack]]


def open_receiving(engine: Engine, settings: Settings, counting: Counting) -> Receiving:
    """What takes in what citizens send; by default what does not meet its profile is refused."""
    section = settings.share
    rules = tuple(PolicyRule(standard=name, policy=policy) for name, policy in section.policies.items())
    quality = settings.validation.model_copy(update={"policy": section.policy, "policies": rules})
    settling = ShareSettling(
        engine,
        Gate(quality, catalogue(), counting),
        Expectations(catalogue()),
        leaving_of(settings),
        section.pixels,
        scan_of(section),
    )
    test = settings.mode == "test"
    return Receiving(engine, section, Keys(*keys_of(settings)), settling, targets(settings), makes_tasks=test)


def scan_of(section: ShareSettings) -> Scan | None:
    """What looks for malware; None: nobody does."""
    if section.scanner == "icap":
        return IcapScan(section.icap_url, section.scan_seconds)
    return CommandScan(section.command, section.scan_seconds) if section.scanner == "command" else None


def write_backs(settings: Settings) -> WriteBacks:
    """The ways into the EHR of each provider, by name. Raises AdapterMisconfigured."""
    made = {name: [write_back(raw) for raw in given.write_back] for name, given in settings.providers.items()}
    return {name: {one.name: one for one in ways} for name, ways in made.items() if ways}


def targets(settings: Settings) -> Targets:
    """Which ways into the EHR an item takes, by their settings alone. Raises AdapterMisconfigured."""
    made = {name: map(filing_settings, given.write_back) for name, given in settings.providers.items()}
    return targets_of({name: {one.name: one for one in ways} for name, ways in made.items()})


def targets_of(ways: Mapping[str, Mapping[str, WriteBack | FilingSettings]]) -> Targets:
    """Which of them an item takes."""
    return lambda provider, standard, type_: [
        name for name, one in ways.get(provider, {}).items() if one.takes(standard, type_)
    ]


def open_outbox(engine: Engine, settings: Settings) -> Outbox:
    """What sends accepted items to the EHR. Raises AdapterMisconfigured."""
    keys = Keys(*keys_of(settings))
    return Outbox(engine, settings.share, keys, write_backs(settings), display_names(settings))
