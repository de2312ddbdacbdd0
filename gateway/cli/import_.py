"""gateway import: load FHIR files into the store."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.progress import track

from gateway.cli.context import FINDINGS, as_served, console, database, errors, fail, with_settings
from gateway.intake.load import Loader
from gateway.intake.read import Item, Unreadable, files, read
from gateway.settings import Settings
from gateway.store.unit import Owner
from gateway.wiring import keys_of, open_gate, save_counts
from profiles.fhir.version import FhirVersion
from profiles.record.expect import Expectations
from profiles.standards.load import catalogue
from profiles.validation.run.findings import VERDICTS, Finding


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--provider", required=True, help="MedMij name of the care provider, without @medmij.")
@click.option("--source", default="import", show_default=True, help="Name of the source the data come from.")
@click.option("--fhir", type=click.Choice(["stu3", "r4"]), help="FHIR release; left out: told from each file.")
@with_settings
def import_command(settings: Settings, paths: Sequence[Path], provider: str, source: str, fhir: str | None) -> None:
    """Load resources, Bundles and NDJSON from files and folders; ids are kept.

    What cannot be read, or placed with a patient, is refused with a line that says why; the rest is stored.
    Documents are checked (PDF/A, title, type, author, date, hash, size); what is wrong is said, and stored anyhow.
    Exit code 0 when everything was stored, 1 when something was refused, 2 when nothing could be tried.
    """
    known = as_served(settings).providers
    if provider not in known:
        fail(f"unknown provider {provider}; known are {', '.join(sorted(known)) or 'none'}")
    try:
        names = list(files(paths))
    except FileNotFoundError as fault:
        fail(str(fault))
    items: list[Item] = []
    refused: list[tuple[str, str]] = []
    version = FhirVersion.of(fhir) if fhir else None
    for name in track(names, "Reading", console=errors, disable=not errors.is_terminal):
        for found in read(name, version):
            if isinstance(found, Unreadable):
                refused.append((found.origin, found.text))
            else:
                items.append(found)
    with database(settings) as engine, engine.begin() as connection:
        owner, gate = Owner(provider, source, *keys_of(settings)), open_gate(settings)
        loader = Loader(connection, owner, Expectations(catalogue()), judge=gate.judge_of(provider, source))
        loaded = loader.load(items)
        save_counts(connection, settings, gate)
    for origin, text in (*refused, *loaded.refused, *loaded.blocked):
        errors.print(f"{origin}: {text}", highlight=False, markup=False, soft_wrap=True)
    for origin, finding in loaded.findings:
        if finding.severity != "information":
            errors.print(
                f"{origin}: {finding.severity}: {finding.text('en')} [{finding.rule} {finding.expression}]",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    repairs = ", ".join(f"{rule} {count}" for rule, count in sorted(loaded.repairs.items()))
    console.print(
        f"{loaded.stored} stored, {loaded.unchanged} unchanged, {len(refused) + len(loaded.refused)} refused"
        + (f", {len(loaded.blocked)} held back" if loaded.blocked else "")
        + (f"; repaired: {repairs}" if repairs else "")
        + (f"; documents: {_counted(loaded.findings)}" if loaded.findings else ""),
        highlight=False,
    )
    if loaded.verdicts:
        verdicts = ((loaded.verdicts.get(name, 0), VERDICTS[name]["en"]) for name in ("ok", "wrong", "unchecked"))
        console.print(
            f"checked: {', '.join(f'{count} {word}' for count, word in verdicts)}; see 'gateway report quality'",
            highlight=False,
        )
    if refused or loaded.refused or loaded.blocked:
        raise SystemExit(FINDINGS)


def _counted(findings: Sequence[tuple[str, Finding]]) -> str:
    """How many findings of each severity, worst first."""
    found = [finding.severity for _, finding in findings]
    words = (("error", "errors"), ("warning", "warnings"), ("information", "not fully checkable"))
    return ", ".join(f"{found.count(severity)} {word}" for severity, word in words if severity in found)
