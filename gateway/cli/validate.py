"""gateway validate: check FHIR resources in files, folders or on standard input against profiles."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click
import msgspec
from rich.console import Console
from rich.progress import Progress

from gateway.cli.context import as_json, emit, with_settings
from gateway.cli.receivers import ParserError, told
from gateway.settings import Settings
from gateway.terminology import TerminologyService
from profiles.fhir.codec import jsonio
from profiles.fhir.errors import FormatError
from profiles.fhir.version import FhirVersion
from profiles.receivers.load import ReceiverError
from profiles.receivers.load import receiver as known_receiver
from profiles.validation.run.evaluate import Validator
from profiles.validation.run.findings import Report, as_outcome, as_text
from profiles.validation.run.htmlreport import as_html
from profiles.validation.run.inputs import parse, unreadable, validate_text
from profiles.validation.schema.codestore import CodeStore, StoreError
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.kept import FOLDER
from profiles.validation.schema.packages import PackageError, choose, default_cache, installed
from profiles.validation.strictness import LENIENT, Strictness
from profiles.zibs import sources

SUFFIXES = (".json", ".xml")
DONE, FINDINGS, USAGE = 0, 1, 2

Named = tuple[str, Report]


class Validators:
    """The validators of a run, one per release, made when first needed: official packages, below them our tables."""

    def __init__(
        self,
        cache: Path,
        packages: tuple[str, ...],
        terminology: str | None = None,
        codes: str = "",
        definitions: Path | None = None,
        strictness: Strictness = LENIENT,
    ) -> None:
        self._codes = codes
        self._definitions = definitions
        self._strictness = strictness
        self._server = TerminologyService.at(terminology) if terminology else None
        self._cache = cache
        self._packages = packages
        self._made: dict[FhirVersion, Validator] = {}

    def get(self, version: FhirVersion) -> Validator:
        """The validator of a release."""
        if version not in self._made:
            self._made[version] = self._make(version)
        return self._made[version]

    def _make(self, version: FhirVersion) -> Validator:
        official = choose(installed(self._cache), version, self._packages)
        beside = list(_beside(self._definitions, version)) if self._definitions is not None else ()
        codes = CodeStore(Path(self._codes)) if self._codes else None
        known = Definitions(sources(version, official), extra=beside)
        return Validator(version, known, self._server, self._strictness, codes, kept=self._cache / FOLDER)

    def keep(self) -> None:
        """Keep what was merged of the packages for the next run."""
        for made in self._made.values():
            made.keep()


def _beside(folder: Path, version: FhirVersion) -> Iterator[dict[str, Any]]:
    """The definitions (JSON or XML) in a folder; PackageError names one that cannot be read."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            try:
                yield parse(path.read_bytes(), version)
            except (FormatError, OSError) as problem:
                raise PackageError(f"{path}: cannot be read as a definition ({problem})") from problem


def _fail(text: str) -> None:
    click.echo(f"gateway: {text}", err=True)
    raise SystemExit(USAGE)


@click.command()
@click.argument("paths", nargs=-1)
@click.option(
    "--fhir",
    "release",
    type=click.Choice(["stu3", "r4", "3", "4"]),
    help="FHIR release; without it, told by the profiles.",
)
@click.option("--profile", "profiles", multiple=True, help="Profile (canonical URL) to hold every resource against.")
@click.option("--package-cache", type=click.Path(path_type=Path, file_okay=False), help="Folder of FHIR packages.")
@click.option(
    "--package", "packages", multiple=True, help="Use this package (name[@version]) and what it needs; repeatable."
)
@click.option("--format", "form", type=click.Choice(["text", "ndjson", "outcome", "html"]), default="text")
@as_json
@click.option("--lang", type=click.Choice(["nl", "en"]), default="nl", help="Language of the messages.")
@click.option(
    "--ndjson", is_flag=True, help='Read lines {"id","fhir","profile","resource"} and answer each with a line.'
)
@click.option("--receiver", help="Tell what becomes of each resource at this app in place of validating: mgo.")
@click.option("--parser", help="With --receiver: command that reads resources as NDJSON and answers a line for each.")
@click.option("--terminology", help="URL of a FHIR terminology service, asked last.")
@click.option(
    "--definitions",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of definitions (JSON, XML) to know beside the packages.",
)
@click.option("--strict", is_flag=True, help="What is not known here, and markup in text, is wrong.")
@with_settings
def validate(
    settings: Settings,
    paths: tuple[str, ...],
    release: str | None,
    profiles: tuple[str, ...],
    package_cache: Path | None,
    packages: tuple[str, ...],
    form: str,
    as_json: bool,
    lang: str,
    ndjson: bool,
    receiver: str | None,
    parser: str | None,
    terminology: str | None,
    definitions: Path | None,
    strict: bool,
) -> None:
    """Validate FHIR resources (JSON or XML) in PATHS: files, folders, or - for standard input.

    Exit code 0: nothing wrong; 1: something is wrong; 2: a path or option is.
    """
    version = FhirVersion.of(release) if release else None
    if as_json and (ndjson or receiver):
        raise click.UsageError("--json goes with neither --ndjson nor --receiver")
    if parser and not receiver:
        raise click.UsageError("--parser goes with --receiver")
    if receiver:
        raise SystemExit(FINDINGS if _received(receiver, paths, version, parser) else DONE)
    folder = package_cache or default_cache(settings.package_cache)
    validators = Validators(
        folder,
        packages,
        terminology or settings.validation.terminology_url,
        settings.validation.terminology_store,
        definitions,
        Strictness(unknown=True, markup=True) if strict else LENIENT,
    )
    try:
        _need_known(validators, profiles, version)
        if ndjson:
            worst = _ndjson(_streams(paths), validators, version, profiles, lang)
        elif not paths:
            raise click.UsageError("give files, folders or - to validate")
        else:
            worst = _documents(paths, validators, version, profiles, "json" if as_json else form, lang)
        validators.keep()
    except (PackageError, StoreError) as problem:
        _fail(str(problem))
    raise SystemExit(FINDINGS if worst else DONE)


def _need_known(validators: Validators, profiles: tuple[str, ...], version: FhirVersion | None) -> None:
    """End the command over a --profile that no release knows: a typing error must not pass for "not checkable"."""
    for profile in profiles:
        if not any(validators.get(release).knows(profile) for release in ([version] if version else FhirVersion)):
            _fail(f"--profile {profile} is not known here; install its package (gateway packages add)")


def _received(name: str, paths: tuple[str, ...], version: FhirVersion | None, parser: str | None) -> bool:
    if not paths:
        raise click.UsageError("give files, folders or - to judge")
    try:
        return told(known_receiver(name), _read(_chosen(paths)), version, parser)
    except (ReceiverError, ParserError) as problem:
        _fail(str(problem))
    return True


def _streams(paths: tuple[str, ...]) -> Iterator[IO[bytes]]:
    for path in paths or ("-",):
        if path == "-":
            yield sys.stdin.buffer
        elif not Path(path).is_file():
            _fail(f"{path}: no such file")
        else:
            with Path(path).open("rb") as stream:
                yield stream


def _ndjson(
    streams: Iterator[IO[bytes]],
    validators: Validators,
    version: FhirVersion | None,
    profiles: tuple[str, ...],
    lang: str,
) -> bool:
    """Answer line by line, in order, each flushed before the next is read; True when something was wrong."""
    out, encode = sys.stdout.buffer, msgspec.json.Encoder().encode
    worst = False
    for stream in streams:
        for line in stream:
            if not line.strip():
                continue
            ident, report = _answer(line, validators, version, profiles)
            worst = worst or report.verdict == "wrong"
            out.write(encode(report.as_ndjson(ident, lang)) + b"\n")
            out.flush()
    return worst


def _answer(
    line: bytes, validators: Validators, version: FhirVersion | None, profiles: tuple[str, ...]
) -> tuple[Any, Report]:
    ident: Any = None
    try:
        row = jsonio.parse(line)
        ident = row.get("id")
        release = row.get("fhir")
        if release is not None:
            version = FhirVersion.of(str(release))
        wanted = row.get("profile") or ()
        asked = [wanted] if isinstance(wanted, str) else [one for one in wanted if isinstance(one, str)]
        return ident, validators.get(version or FhirVersion.STU3).validate(row.get("resource"), [*profiles, *asked])
    except FormatError as problem:
        return ident, unreadable(problem)
    except (ValueError, TypeError) as problem:
        return ident, unreadable(FormatError(str(problem)))


def _documents(
    paths: tuple[str, ...],
    validators: Validators,
    version: FhirVersion | None,
    profiles: tuple[str, ...],
    form: str,
    lang: str,
) -> bool:
    files = _chosen(paths)
    console = Console(stderr=True)
    counts = {"ok": 0, "wrong": 0, "unchecked": 0}
    kept: list[Named] = []
    with Progress(console=console, transient=True, disable=not console.is_terminal or len(files) < 2) as progress:
        for name, data in progress.track(_read(files), total=len(files), description=""):
            report = validate_text(data, validators.get, version, profiles)
            counts[report.verdict] += 1
            if form in ("html", "json"):
                kept.append((name, report))
            else:
                click.echo(_shown(name, report, form, lang))
    if form == "html":
        click.echo(as_html(kept, lang), nl=False)
    if form == "json":
        emit([report.as_ndjson(name, lang) for name, report in kept])
    if form == "text" and len(files) > 1:
        words = "{ok} goed, {wrong} fout, {unchecked} niet volledig te controleren"
        click.echo(
            (words if lang == "nl" else "{ok} right, {wrong} wrong, {unchecked} not fully checkable").format(**counts)
        )
    return counts["wrong"] > 0


def _shown(name: str, report: Report, form: str, lang: str) -> str:
    if form == "ndjson":
        return msgspec.json.encode(report.as_ndjson(name, lang)).decode()
    if form == "outcome":
        return jsonio.dump(as_outcome(report, lang)).decode()
    return as_text(report, name, lang)


def _chosen(paths: tuple[str, ...]) -> list[Path | None]:
    """The files to read; the command ends when there is none."""
    files = list(_files(paths))
    if not files:
        _fail(f"nothing to read here: no {' or '.join(SUFFIXES)} in {', '.join(paths)}")
    return files


def _files(paths: tuple[str, ...]) -> Iterator[Path | None]:
    for text in paths:
        path = Path(text)
        if text == "-":
            yield None
        elif path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES and one.is_file())
        elif path.is_file():
            yield path
        else:
            _fail(f"{text}: no such file or folder")


def _read(files: list[Path | None]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        if path is None:
            yield "-", sys.stdin.buffer.read()
        else:
            yield str(path), path.read_bytes()


if __name__ == "__main__":
    validate()
