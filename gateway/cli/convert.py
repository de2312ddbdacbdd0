"""gateway convert: zibs of 2017 in STU3 as zibs of 2020 in R4, or the other way, and what is lost on the way."""

import datetime as dt
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from gateway.calendar import today_here
from gateway.cli.context import DONE, FINDINGS, as_json, emit, errors, fail, with_settings
from gateway.settings import Settings
from profiles.conversion.convert import Converted
from profiles.conversion.judge import judge
from profiles.conversion.losses import Loss, as_outcome, sentence
from profiles.conversion.ways import WAYS, ConversionWay
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.walk import Key, key_of
from profiles.validation import Validator
from profiles.validation.run.inputs import parse
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.packages import PackageError, choose, default_cache, installed
from profiles.zibs import sources

SUFFIXES = (".json", ".xml", ".ndjson")
IDENT = re.compile(r"[A-Za-z0-9.-]{1,64}")
"""An id that may be part of the name of a file."""


class Sink:
    """Where converted resources go: a folder, a file each, or lines on standard output; each key once."""

    def __init__(self, folder: Path | None, form: str, quiet: bool, version: FhirVersion) -> None:
        self._folder = folder
        self._version = version
        self._xml = form == "xml"
        self._quiet = quiet
        self._keys: set[Key] = set()
        self.written = 0

    def put(self, resource: Resource) -> bool:
        """Write a resource; False when one of this type and id was written before."""
        key = key_of(resource) if isinstance(resource.get("id"), str) else (str(resource["resourceType"]), "")
        if key[1] and key in self._keys:
            return False
        self._keys.add(key)
        self.written += 1
        if self._folder is not None:
            name = key[1] if IDENT.fullmatch(key[1]) and key[1].strip(".") else f"nr{self.written}"
            path = self._folder / f"{key[0]}-{name}.{'xml' if self._xml else 'json'}"
            path.write_bytes(xmlio.dump(resource, self._version) if self._xml else jsonio.dump(resource))
        elif not self._quiet:
            sys.stdout.buffer.write(jsonio.dump(resource) + b"\n")
        return True


@click.command("convert")
@click.argument("paths", nargs=-1, required=True)
@click.option("--to", "target", type=click.Choice(["r4", "stu3"]), required=True, help="The release to convert to.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the result, a file each.")
@click.option("--format", "form", type=click.Choice(["json", "xml"]), default="json", help="Of the files in --out.")
@click.option(
    "--together", is_flag=True, help="All PATHS are one record, of one person: what belongs together is known."
)
@click.option("--strict", is_flag=True, help="Leave out what is wrong in the result.")
@click.option("--outcome", is_flag=True, help="Write what was lost as an OperationOutcome too, after the resources.")
@click.option("--lang", type=click.Choice(["nl", "en"]), default="nl", help="Language of the losses.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Judge what ended by this day, not by today.")
@click.option("--package-cache", type=click.Path(path_type=Path, file_okay=False), help="Folder of FHIR packages.")
@as_json
@with_settings
def convert_command(
    settings: Settings,
    paths: tuple[str, ...],
    target: str,
    out: Path | None,
    form: str,
    together: bool,
    strict: bool,
    outcome: bool,
    lang: str,
    day: dt.datetime | None,
    package_cache: Path | None,
    as_json: bool,
) -> None:
    """Convert FHIR STU3 (zibs of 2017) in PATHS to R4 (zibs of 2020), or back.

    PATHS: files (JSON, XML, NDJSON), folders, or -.

    Without --out the resources are lines on standard output, and what is lost is told on standard error. With --json
    standard output is one document with what is lost, and resources go to --out only. Where the official packages are
    installed, a resource that does not meet its profile does not claim it. Exit code 1: something could not be read or
    converted, or is wrong in the result.
    """
    if form == "xml" and out is None:
        raise click.UsageError("--format xml goes with --out")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    try:
        way = WAYS[FhirVersion.of(target)]
        validator = validator_of(package_cache or default_cache(settings.package_cache), way.target)
    except PackageError as problem:
        fail(str(problem))
    sink, losses, wrong = Sink(out, form, as_json, way.target), list[Loss](), list[dict[str, str]]()
    for name, some in _batches(paths, way.source, together=together):
        if isinstance(some, FormatError):
            wrong.append({"file": name, "text": some.text})
            continue
        result = way.convert(some, day.date() if day else today_here(), language=lang)
        wrong += _delivered(result, way, validator, sink, name, lang, strict=strict)
        losses += result.losses
        wrong += [{"file": name, "text": sentence(one, lang)} for one in result.losses if one.whole]
        if not as_json:
            for loss in result.losses:
                errors.print(sentence(loss, lang), highlight=False, markup=False, soft_wrap=True)
    if outcome:
        sink.put(as_outcome(losses, lang))
    if as_json:
        told = [{**_row(loss), "text": sentence(loss, lang)} for loss in losses]
        emit({"to": target, "written": sink.written, "losses": told, "wrong": wrong})
    else:
        for row in wrong:
            errors.print(f"{row['file']}: {row['text']}", highlight=False, markup=False, soft_wrap=True)
    raise SystemExit(FINDINGS if wrong else DONE)


def _row(loss: Loss) -> dict[str, str]:
    return {name: getattr(loss, name) for name in ("kind", "id", "resource", "path", "value")}


def validator_of(cache: Path, version: FhirVersion = FhirVersion.R4) -> Validator:
    """A validator of a release with the packages of a folder."""
    return Validator(version, Definitions(sources(version, choose(installed(cache), version))))


def _delivered(
    result: Converted, way: ConversionWay, validator: Validator, sink: Sink, name: str, lang: str, *, strict: bool
) -> list[dict[str, str]]:
    """Write what was converted; returns what is wrong with it."""
    wrong = []
    for one in judge(result, validator.validate, way.outside):
        faults = [found for found in one.report.findings if found.severity == "error"]
        if ((not strict or not faults) and sink.put(one.resource)) or strict:
            wrong += [{"file": name, "text": f"{found.expression}: {found.text(lang)}"} for found in faults]
    return wrong


def read_resources(paths: tuple[str, ...], version: FhirVersion) -> Iterator[tuple[str, Resource | FormatError]]:
    """The resources in files (JSON, XML, NDJSON), folders and standard input (-), each with its place.

    A path that is not there ends the command.
    """
    for text in paths:
        path = Path(text)
        if text == "-":
            yield from _read("-", sys.stdin.buffer.read(), version, lines=True)
        elif path.is_dir():
            for each in sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES and one.is_file()):
                yield from _file(each, version)
        elif path.is_file():
            yield from _file(path, version)
        else:
            fail(f"{text}: no such file or folder")


def _batches(
    paths: tuple[str, ...], version: FhirVersion, *, together: bool
) -> Iterator[tuple[str, list[Resource] | FormatError]]:
    """What is converted at once: each resource by itself, or all of them."""
    rows: list[Resource] = []
    for name, resource in read_resources(paths, version):
        if isinstance(resource, FormatError):
            yield name, resource
        elif together:
            rows.append(resource)
        else:
            yield name, [resource]
    if rows:
        yield ", ".join(paths), rows


def _file(path: Path, version: FhirVersion) -> Iterator[tuple[str, Resource | FormatError]]:
    if path.suffix != ".ndjson":
        yield from _read(str(path), path.read_bytes(), version)
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield from _read(f"{path}:{number}", line, version)


def _read(
    name: str, data: bytes, version: FhirVersion, *, lines: bool = False
) -> Iterator[tuple[str, Resource | FormatError]]:
    """One resource of a text; with ``lines`` also a resource a line, where the whole is none."""
    try:
        yield name, parse(data, version)
        return
    except FormatError as problem:
        rows = data.splitlines() if lines and not data.lstrip().startswith(b"<") else []
        if len(rows) < 2:
            yield name, problem
            return
    for number, line in enumerate(rows, 1):
        if line.strip():
            yield from _read(f"{name}:{number}", line, version)
