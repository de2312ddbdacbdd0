"""The validator: one set of definitions, one evaluator; from plain data to a report."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from profiles.fhir.version import FhirVersion
from profiles.validation.compile.compiler import Compiler
from profiles.validation.context import MAX_NESTED, Context, Resolver
from profiles.validation.hits import Hit, Hits
from profiles.validation.rules.claims import chosen
from profiles.validation.rules.contexts import settled
from profiles.validation.rules.ucum import told_once
from profiles.validation.run.findings import Report, report_of
from profiles.validation.run.wholes import Wholes
from profiles.validation.schema.basefacts import BaseTrees
from profiles.validation.schema.codestore import CodeStore
from profiles.validation.schema.definitions import Definitions, plain
from profiles.validation.schema.kept import KeptDefinitions
from profiles.validation.schema.merge import Merger
from profiles.validation.schema.nodes import BrokenDefinition
from profiles.validation.schema.package import PackageError, open_package
from profiles.validation.schema.packages import choose, default_cache, install, installed
from profiles.validation.schema.terminology import Server, Terminology
from profiles.validation.shapes import Shape
from profiles.validation.strictness import LENIENT, Strictness

CACHE_SIZE = 20_000
FAULTS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What a fault of our own would raise: reported as "not checkable", so that validation never stops a delivery."""


class Validator:
    """Validates resources of one FHIR release against base types and profiles; never raises on any data.

    It may be shared between threads: definitions are compiled when they are first needed, so that one validation runs
    at a time.
    """

    def __init__(
        self,
        version: FhirVersion,
        definitions: Definitions | None = None,
        server: Server | None = None,
        strictness: Strictness = LENIENT,
        codes: CodeStore | None = None,
        kept: Path | None = None,
    ) -> None:
        """``kept``: folder with trees of definitions that earlier processes merged; `keep` adds to it."""
        self.version = version
        self.definitions = definitions or Definitions()
        self.terminology = Terminology(self.definitions, server, codes)
        self._globally = self.definitions.globally()
        self._served = server is not None
        base = BaseTrees(version)
        held = (
            KeptDefinitions(kept, self.definitions, version.value)
            if kept is not None and not self.definitions.extra
            else None
        )
        self.merger = Merger(self.definitions, base, held)
        self.compiler = Compiler(version, self.merger, self.terminology, strictness)
        self._wholes = Wholes(version, self.definitions, self.terminology)
        self._is_resource = base.facts.is_resource
        self._lookups: dict[str, tuple[Shape, tuple[str, ...], str] | str] = {}
        self._verdicts: OrderedDict[bytes, Report] = OrderedDict()
        self._lock = threading.RLock()

    @property
    def label(self) -> str:
        """Names the definitions in use; part of the key of cached verdicts."""
        codes = self.terminology.codes
        return f"{self.version.value}:{self.definitions.label}:{codes.label if codes is not None else ''}"

    def knows(self, profile: str) -> bool:
        """Whether a profile can be validated against here."""
        with self._lock:
            return not isinstance(self._lookup(plain(profile)), str)

    def faults(self, profile: str) -> list[str]:
        """The element ids of a profile's differential that have no place in what it derives from; they are left out."""
        return [] if not self.knows(profile) else list(self.merger.tree(profile).faults)

    def keep(self) -> bool:
        """Keep what was merged of the definitions for the next process; whether there was something new to keep."""
        with self._lock:
            return self.merger.keep()

    def prepare(self, profiles: Iterable[str]) -> None:
        """Compile profiles ahead of time."""
        for profile in profiles:
            self.knows(profile)

    def validate(self, resource: Any, profiles: Sequence[str] = (), resolve: Resolver | None = None) -> Report:
        """Validate a resource against its type, the profiles given and those it claims in meta.profile.

        ``resolve`` finds referenced resources outside the resource. Anything may be given: what is no resource gets a
        finding that says so.
        """
        with self._lock:
            return self._report(resource, profiles, resolve)

    def _report(self, resource: Any, profiles: Sequence[str], resolve: Resolver | None) -> Report:
        hits: Hits
        zib = ""
        used: tuple[str, ...] = ()
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            hits = [Hit("resource.none", None)]
        elif not self._is_resource(resource["resourceType"]):
            hits = [Hit("resource.type", None, {"value": resource["resourceType"][:80]})]
        else:
            context = Context(
                self.version, resource, self._check_resource, self._shape, self.terminology.member, resolve
            )
            if resource["resourceType"] == "Bundle":
                context.index_bundle(resource)
            try:
                shapes, hits = chosen(
                    resource, profiles, resource["resourceType"], self._lookup, self._always(resource)
                )
                used = tuple(shape.url for shape in shapes)
                zib = self._zib(used)
                for shape in shapes or [self.compiler.type_shape(resource["resourceType"])]:
                    hits = hits + (shape.check(resource, context) or [])
                hits = hits + self._whole(resource, context)
                hits = told_once(settled(hits, resource, context)) if hits else hits
            except RecursionError:
                hits = [Hit("resource.deep", None)]
            except FAULTS as problem:
                hits = [Hit("resource.fault", None, {"reason": type(problem).__name__}, "information")]
        return report_of(hits, resource, zib, used)

    def validate_cached(self, content: bytes, resource: Any, profiles: Sequence[str] = ()) -> Report:
        """Like `validate`, with the verdict kept by a hash of the content, the profiles and the definitions.

        With a terminology service, "unchecked" is not kept: the service may answer the next time.
        """
        key = hashlib.sha256(
            b"\0".join([self.label.encode(), *(one.encode() for one in profiles), b"", content])
        ).digest()
        with self._lock:
            report = self._verdicts.get(key)
            if report is not None:
                self._verdicts.move_to_end(key)
                return report
            report = self.validate(resource, profiles)
            if report.verdict != "unchecked" or not self._served:
                self._verdicts[key] = report
            while len(self._verdicts) > CACHE_SIZE:
                self._verdicts.popitem(last=False)
            return report

    def _check_resource(self, resource: Any, profiles: Sequence[str], context: Context) -> Hits | None:
        kind = resource.get("resourceType")
        if not isinstance(kind, str):
            return [Hit("resource.none", None)]
        if not self._is_resource(kind):
            return [Hit("resource.type", None, {"value": kind[:80]})]
        if context.depth > MAX_NESTED:
            return [Hit("resource.deep", None)]
        shapes, hits = chosen(resource, profiles, kind, self._lookup, self._always(resource))
        for shape in shapes or [self.compiler.type_shape(kind)]:
            hits = hits + (shape.check(resource, context) or [])
        return hits + self._whole(resource, context) if kind == "QuestionnaireResponse" else hits

    def _whole(self, resource: dict[str, Any], context: Context) -> Hits:
        return self._wholes.hits(resource, self.compiler.type_shape(resource["resourceType"]).node, context)

    def _always(self, resource: dict[str, Any]) -> Sequence[str]:
        """The profiles that implementation guides ask of every resource of this type."""
        return self._globally.get(resource["resourceType"], ()) if self._globally else ()

    def _shape(self, url: str) -> Shape | None:
        found = self._lookups.get(plain(url)) or self._lookup(plain(url))
        return None if isinstance(found, str) else found[0]

    def _lookup(self, url: str) -> tuple[Shape, tuple[str, ...], str] | str:
        found = self._lookups.get(url)
        if found is None:
            found = self._find(url)
            if not isinstance(found, str) or len(self._lookups) < 10_000:
                self._lookups[url] = found
        return found

    def _find(self, url: str) -> tuple[Shape, tuple[str, ...], str] | str:
        try:
            tree = self.merger.tree(url)
            return self.compiler.structure(url), tree.chain, tree.type
        except BrokenDefinition as problem:
            return "unknown" if self.definitions.structure(url) is None else str(problem)
        except (RecursionError, TypeError, ValueError, AttributeError, KeyError) as problem:
            return f"{url} cannot be compiled ({type(problem).__name__})"

    def _zib(self, used: tuple[str, ...]) -> str:
        for url in used:
            zib = self.merger.tree(url).root.zib
            if zib is not None:
                return zib.name_nl
        return ""


@cache
def _scratch() -> Path:
    """A folder for archives that were given to `validator`; it goes when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="fhir-packages-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def validator(
    version: FhirVersion, packages: Sequence[Path | str] | None = None, server: Server | None = None
) -> Validator:
    """A validator for a release.

    ``packages``: package folders, ``.tgz`` files (unpacked for the life of the process) and ``name[@version]`` from
    the cache; None means everything in the cache for this release, an empty sequence means base facts only.
    Raises PackageError when one is not there.
    """
    if packages is None:
        return Validator(version, Definitions(choose(installed(default_cache()), version)), server)
    chosen = []
    names = []
    for asked in packages:
        path = Path(asked)
        if path.suffix == ".tgz" and path.is_file():
            chosen.append(install(path.read_bytes(), _scratch()))
        elif (path.is_dir() and (path / "package.json").is_file()) or (path / "package" / "package.json").is_file():
            chosen.append(open_package(path))
        elif isinstance(asked, str):
            names.append(asked)
        else:
            raise PackageError(f"{asked} is not a package")
    if names:
        chosen.extend(choose(installed(default_cache()), version, names))
    return Validator(version, Definitions(chosen), server)
