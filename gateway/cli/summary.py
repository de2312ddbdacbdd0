"""gateway summary: the patient summary (IPS) of one person's FHIR files."""

from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.access import deliver
from gateway.cli.context import DONE, FINDINGS, errors, fail, with_settings
from gateway.cli.convert import read_resources, validator_of
from gateway.dossier.summarypaper import paper_of
from gateway.settings import Settings
from profiles.conversion.convert import Converted, convert
from profiles.conversion.judge import judge
from profiles.conversion.losses import sentence
from profiles.fhir.codec import jsonio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.summary import SummaryError, Wishes, summary
from profiles.validation.schema.packages import PackageError, default_cache


@click.command("summary")
@click.argument("paths", nargs=-1, required=True)
@click.option("--institution", required=True, help="Name of the institution that tells it.")
@click.option("--ura", help="Its URA number.")
@click.option("--from", "source", type=click.Choice(["stu3", "r4"]), default="stu3", help="Release of the files.")
@click.option("--lang", type=click.Choice(["nl", "en"]), default="nl", help="Language of titles and losses.")
@click.option("--with-bsn", is_flag=True, help="The receiver may have the BSN; without it there is none in it.")
@click.option("--form", type=click.Choice(["ips", "eps"]), default="ips", help="International, or European (a draft).")
@click.option("--pdf", type=click.Path(path_type=Path, dir_okay=False), help="Write it on paper (PDF/A) too.")
@click.option("--package-cache", type=click.Path(path_type=Path, file_okay=False), help="Folder of FHIR packages.")
@with_settings
def summary_command(
    settings: Settings,
    paths: tuple[str, ...],
    institution: str,
    ura: str | None,
    source: str,
    lang: str,
    with_bsn: bool,
    form: str,
    pdf: Path | None,
    package_cache: Path | None,
) -> None:
    """Write the summary of the one patient whose FHIR resources are in PATHS (files, folders, or -), as a Bundle.

    STU3 is converted first. What was lost, and what was left out, is told on standard error. Exit code 1: something
    could not be read, or is wrong and therefore left out.
    """
    at, faults = datetime.now(UTC), 0
    try:
        validator = validator_of(package_cache or default_cache(settings.package_cache))
    except PackageError as problem:
        fail(str(problem))
    given = []
    for name, resource in read_resources(paths, FhirVersion.of(source)):
        if isinstance(resource, FormatError):
            errors.print(f"{name}: {resource.text}", highlight=False, markup=False, soft_wrap=True)
            faults += 1
        else:
            given.append(resource)
    result = convert(given, at.date(), language=lang) if source == "stu3" else Converted(given)
    judged, result.resources = judge(result, validator.validate), []
    for verdict in judged:
        wrong = [row for row in verdict.report.findings if row.severity == "error"]
        for row in wrong:
            place = f"{verdict.resource.get('resourceType')}/{verdict.resource.get('id')} is left out: {row.expression}"
            errors.print(f"{place}: {row.text(lang)}", highlight=False, markup=False, soft_wrap=True)
        faults += bool(wrong)
        result.resources += [] if wrong else [verdict.resource]
    house: Resource = {"resourceType": "Organization", "id": "institution", "name": institution}
    if ura:
        house["identifier"] = [{"system": "http://fhir.nl/fhir/NamingSystem/ura", "value": ura}]
    try:
        wishes = Wishes("en" if lang == "en" else "nl", bsn=with_bsn, form="eps" if form == "eps" else "ips")
        made = summary(result.resources, house, at, wishes)
    except SummaryError as problem:
        fail(str(problem))
    for loss in [*result.losses, *made.losses]:
        errors.print(sentence(loss, lang), highlight=False, markup=False, soft_wrap=True)
    for row in validator.validate(made.bundle).findings:
        if row.severity == "error":
            errors.print(f"{row.expression}: {row.text(lang)}", highlight=False, markup=False, soft_wrap=True)
            faults += 1
    if pdf is not None:
        _on_paper(made.bundle, institution, Path(settings.own_record.font), pdf)
    click.echo(jsonio.dump(made.bundle).decode())
    raise SystemExit(FINDINGS if faults else DONE)


def _on_paper(document: Resource, institution: str, font: Path, output: Path) -> None:
    try:
        deliver(paper_of(document, institution, font), output)
    except OSError as problem:
        fail(f"no PDF: {problem}")
