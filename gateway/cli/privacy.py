"""gateway report privacy: the documents of privacy, made from the configuration."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.access import release_table
from gateway.cli.context import as_json, console, emit, served_provider, with_settings
from gateway.privacy.holdings import STAYS
from gateway.report.privacy import PrivacyFacts, PrivacyMeasure, PrivacyReport
from gateway.report.render import as_html
from gateway.report.render import as_json as in_json
from gateway.settings import Settings
from gateway.wiring import kept
from profiles.standards.load import catalogue


@click.command("privacy")
@click.option("--provider", required=True, help="MedMij name of the care provider.")
@click.option("--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option("--lang", type=click.Choice(["nl", "en"]), default="nl", show_default=True)
@as_json
@with_settings
def privacy_command(settings: Settings, provider: str, output: Path, lang: str, as_json: bool) -> None:
    """Register entry, input for the DPIA, data flows (SVG) and retention, for one provider, from the configuration."""
    made = PrivacyReport(facts_of(settings, provider), catalogue(), f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", lang)
    document = made.document()
    files = {
        "privacy.html": as_html(document), "privacy.json": in_json(document),
        "gegevensstromen.svg" if lang == "nl" else "data-flows.svg": made.picture(),
    }  # fmt: skip
    output.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (output / name).write_text(text, encoding="utf-8")
    if as_json:
        emit({"folder": str(output), "files": sorted(files)})
    else:
        console.print(f"{', '.join(sorted(files))} written to {output}", highlight=False, soft_wrap=True)


def facts_of(settings: Settings, provider: str) -> PrivacyFacts:
    """What the settings say of a provider, without a secret."""
    given, exchange = served_provider(settings, provider), settings.exchange
    sources = [str(one.get("name") or one.get("type")) for one in given.sources if one.get("type") != "store"]
    sources += [name for name, one in settings.intake.sources.items() if one.provider == provider]
    partners = [one.name for one in exchange.partners.values()] if provider in exchange.parties else []
    return PrivacyFacts(
        provider=provider,
        name=given.display_name,
        services=given.services,
        sources=sources,
        partners=partners,
        write_back=[str(one.get("name") or one.get("type")) for one in given.write_back],
        own_record=settings.own_record.enabled,
        subscriptions=bool(given.subscriptions),
        heads=[one.partition("://")[0] + ": audit.places" for one in settings.audit.places],
        measures=tuple(_measures(settings)),
        keeping=tuple(_keeping(settings)),
        stays=tuple(STAYS.items()),
    )


def _measures(settings: Settings) -> Iterator[PrivacyMeasure]:
    table = release_table(settings)
    yield PrivacyMeasure("consent", "-", on=True)
    yield PrivacyMeasure("tls", "tls.peer", settings.tls.peer != "none")
    yield PrivacyMeasure("seal", "auth.seal_keys", on=True)
    yield PrivacyMeasure("trail", "audit_key", on=True)
    yield PrivacyMeasure("signed", "audit.places", bool(settings.audit.places and settings.audit.signing_key))
    yield PrivacyMeasure("withhold", "release.rules", table.delays or bool(table.sensitive))
    yield PrivacyMeasure("erase", "retention", on=True)
    yield PrivacyMeasure("staff", "staff.enabled", settings.staff.enabled)
    yield PrivacyMeasure("production", "mode", settings.mode == "production")


def _keeping(settings: Settings) -> Iterator[tuple[str, str, int]]:
    yield "access trail", "audit.retention_days", settings.audit.retention_days
    yield "consents and grants that ended", "auth.retention_days", settings.auth.retention_days
    yield "lasting consents that nobody uses", "auth.idle_days", settings.auth.idle_days
    yield "what citizens sent: undecided", "share.undecided_days", settings.share.undecided_days
    yield "what citizens sent: declined", "share.declined_days", settings.share.declined_days
    yield "what citizens sent: filed in the EHR", "share.filed_days", settings.share.filed_days
    yield "subscriptions that ended", "subscription.kept_days", settings.subscription.kept_days
    for one in kept(settings):
        yield one.what, one.setting, one.days
