"""What a test set needs in a gateway: its fixtures with the dates of the day, and its tokens.

The set's LoadResources script says which fixtures there are and with whose token each is put; the token table
(QualificationTokens.json) says whose token it is and which citizen service number belongs to the masked one.
"""

import fnmatch
import json
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Any

from profiles.fhir.codec import jsonio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from workbench.qualify.context import attribute_escape, json_escape
from workbench.qualify.discovery import find_sets
from workbench.qualify.exchange import MEDIA, Body, fixture_media
from workbench.qualify.files import Files, MissingFile, inside
from workbench.qualify.masking import masked
from workbench.qualify.reading import is_script, read_script
from workbench.qualify.script import Operation, Script, Side
from workbench.qualify.standins import own_documents
from workbench.qualify.variables import MissingVariable, Placeholders

_RANDOM = re.compile(r"\$\{RANDOM-?[0-9]+\}")
TOKENS_FILE = "Configuration/QualificationTokens.json"


class UnloadableSet(ValueError):
    """A folder without anything to load, or a token table that is none."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A row of the token table: the token without ``Bearer``, the patient's id, and the citizen service number."""

    token: str
    patient: str
    bsn: str | None = None


@dataclass(frozen=True, slots=True)
class LoadItem:
    """One fixture ready to store: as parsed, its version, the bytes it came from, and whose token it was put with."""

    resource: Resource
    version: FhirVersion
    original: bytes
    media: str
    origin: str
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class QualificationSet:
    """A set to load. ``bsn`` maps patient ids to their numbers; ``problems`` names fixtures that cannot be loaded."""

    items: Sequence[LoadItem]
    patients: Mapping[str, TokenRow]
    bsn: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[str] = ()

    @property
    def resources(self) -> list[tuple[Resource, FhirVersion]]:
        """The fixtures as resource and version."""
        return [(item.resource, item.version) for item in self.items]

    def tokens(self, provider: str, services: Sequence[str]) -> list[dict[str, Any]]:
        """The rows for ``gateway tokens load``: each token gives access to this provider's services."""
        return [
            {"token": row.token, "provider": provider, "services": list(services), "patient": row.patient}
            | ({"bsn": row.bsn} if row.bsn else {})
            for row in self.patients.values()
        ]


def token_table(files: Files, path: Path) -> list[TokenRow]:
    """The rows of the token table: in the files themselves, or in ``Configuration`` at or above the path.

    An empty list when there is no table; UnloadableSet when it cannot be read.
    """
    for name in files.names:
        if name.endswith(TOKENS_FILE.rpartition("/")[2]):
            return read_tokens(files.read(name))
    for folder in (path.resolve(), *path.resolve().parents):
        found = folder / TOKENS_FILE
        if found.is_file():
            return read_tokens(found.read_bytes())
    return []


def read_tokens(data: bytes) -> list[TokenRow]:
    """The rows of a token table. UnloadableSet when it is no list of tokens with patients."""
    try:
        rows = json.loads(data)
        return [
            TokenRow(_bare(row["accessToken"]), row["resourceId"], row.get("bsn") or None)
            for row in rows
            if row.get("accessToken") and row.get("resourceId")
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnloadableSet("the token table is not a JSON list of accessToken and resourceId") from None


def load_set(
    files: Files,
    start: str,
    tokens: Iterable[TokenRow],
    today: date,
    *,
    skip: Sequence[str] = (),
    as_published: bool = False,
) -> QualificationSet:
    """Everything that the LoadResources scripts below ``start`` put into a server, with dates relative to ``today``.

    A set without such a script gives the fixtures of its ``_reference`` folders, with the token of the patient's row,
    save those that only a running script can fill in: they are what scripts send. ``skip`` leaves fixtures out, by
    patterns of ``Type/id``. Documents get identifiers and files of our own (``own_documents``) unless ``as_published``.
    UnloadableSet when there is nothing to load.
    """
    scripts = list(_load_scripts(files, start))
    problems: list[str] = []
    loaded: dict[tuple[FhirVersion, str, str], tuple[LoadItem, str | None]] = {}
    for put in (put for script in scripts for put in _puts(script)) if scripts else _all_fixtures(files, start):
        try:
            item = _item(files, put, today)
        except (MissingFile, MissingVariable, FormatError, ValueError) as error:
            if scripts or not isinstance(error, MissingVariable):
                problems.append(f"{put.path}: {masked(str(error))}")
            continue
        type_, id_ = item.resource["resourceType"], item.resource["id"]
        if not any(fnmatch.fnmatchcase(f"{type_}/{id_}", pattern) for pattern in skip):
            loaded[item.version, type_, id_] = item, put.token
    for put in _set_ups(files, start):
        item = _item(files, put, today)
        if item.resource.get("status") != "requested":
            # Not something that a patient is asked: the two sides of these scripts make it themselves.
            continue
        if any(fnmatch.fnmatchcase(f"{item.resource['resourceType']}/{item.resource['id']}", one) for one in skip):
            continue
        loaded[item.version, str(item.resource["resourceType"]), str(item.resource["id"])] = item, put.token
    if not loaded and not problems:
        raise UnloadableSet("no LoadResources script and no fixtures were found")
    patients = {id_ for _version, type_, id_ in loaded if type_ == "Patient"}
    owners = _owners(tokens, loaded.values(), patients)
    items = [replace(item, patient=_patient(item, owners.get(token or ""))) for item, token in loaded.values()]
    items = list(_in_turn(items))
    if not as_published:
        items = _with_own_documents(items)
    by_patient = {row.patient: row for row in owners.values()}
    return QualificationSet(items, by_patient, {id_: row.bsn for id_, row in by_patient.items() if row.bsn}, problems)


def _patient(item: LoadItem, owner: TokenRow | None) -> str | None:
    if item.resource["resourceType"] == "Patient":
        return str(item.resource["id"])
    return owner.patient if owner else None


def _with_own_documents(items: Sequence[LoadItem]) -> list[LoadItem]:
    adapted = []
    for item, resource in zip_longest(items, own_documents(item.resource for item in items)):
        if item is None:
            version = items[-1].version
            adapted.append(LoadItem(resource, version, jsonio.dump(resource), MEDIA["json"], "a stand-in document"))
        elif resource is item.resource:
            adapted.append(item)
        else:
            adapted.append(replace(item, resource=resource, original=jsonio.dump(resource), media=MEDIA["json"]))
    return adapted


def _owners(
    tokens: Iterable[TokenRow], puts: Iterable[tuple[LoadItem, str | None]], patients: Collection[str]
) -> dict[str, TokenRow]:
    """Whose each token is: the row of a patient of this set, else the Patient that the token puts."""
    owners = {row.token: row for row in reversed(list(tokens)) if row.patient in patients}
    for item, token in puts:
        if token and item.resource["resourceType"] == "Patient":
            owners.setdefault(token, TokenRow(token, item.resource["id"]))
    return owners


@dataclass(frozen=True, slots=True)
class _Put:
    path: str
    version: FhirVersion
    token: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


def _load_scripts(files: Files, start: str) -> Iterator[Script]:
    for script_set in find_sets(files, start, roles=["_LoadResources"]):
        yield from script_set.scripts
    if start and not any("_LoadResources" in name and name.startswith(start) for name in files.names):
        yield from (script for script in _every_load_script(files))


def _every_load_script(files: Files) -> Iterator[Script]:
    for name in files.names:
        if "_LoadResources/" in name and name.endswith(".xml") and is_script(data := files.read(name)):
            version = next((one.version for one in _scripts_beside(files, name)), None)
            yield read_script(data, name, version)


def _scripts_beside(files: Files, name: str) -> list[Script]:
    folder = posixpath.dirname(name)
    return [script for one in find_sets(files, folder, roles=["_LoadResources"]) for script in one.scripts]


def _puts(script: Script) -> Iterator[_Put]:
    """What a script that loads resources puts."""
    return _puts_of(script) if script.side is Side.LOAD else iter(())


def _puts_of(script: Script) -> Iterator[_Put]:
    variables = {one.name: one.default for one in script.variables.values() if one.default is not None}
    version = script.version or FhirVersion.STU3
    for test in script.tests:
        for action in test.actions:
            fixture = script.fixtures.get(action.source_id or "") if isinstance(action, Operation) else None
            if isinstance(action, Operation) and fixture is not None and action.code in ("update", "updateCreate"):
                path = inside(posixpath.dirname(script.path), fixture.reference or "")
                token = next((value for name, value in action.headers if name.lower() == "authorization"), None)
                for name, value in variables.items():
                    token = token.replace(f"${{{name}}}", value) if token else None
                yield _Put(path, version, _bare(token) if token else None, variables)


def _all_fixtures(files: Files, start: str) -> Iterator[_Put]:
    scripts = [script for one in find_sets(files, start, roles=()) for script in one.scripts]
    version = next((script.version for script in scripts if script.version), FhirVersion.STU3)
    for name in files.names:
        if "_reference" in name and "/rules/" not in name and name.endswith((".xml", ".json")):
            yield _Put(name, version)


def _set_ups(files: Files, start: str) -> Iterator[_Put]:
    """What the scripts of an alternative role (``...-Nictiz-intern``) put into a server before they begin.

    The scripts of the role itself leave that to the server: here it is what they find. Each gets an id that is the same
    at every loading.
    """
    for one in find_sets(files, start):
        others = find_sets(files, start, one.left_out) if one.left_out else []
        scripts = sorted((script for other in others for script in other.scripts), key=lambda script: script.path)
        for number, script in enumerate(scripts):
            for test in script.tests[:1]:
                begins = replace(script, tests=(test,) if test.id == "setup" else ())
                for put in _puts_of(begins):
                    named = {name: _RANDOM.sub(f"{number:02}", value) for name, value in put.variables.items()}
                    yield replace(put, variables=named)


def _in_turn(items: Iterable[LoadItem]) -> Iterator[LoadItem]:
    """Of the Tasks that a patient is asked to do one is asked now; the others wait for their turn (gateway.share)."""
    asked: set[str | None] = set()
    for item in items:
        waits = item.resource["resourceType"] == "Task" and item.resource.get("status") == "requested"
        if waits and item.patient in asked:
            resource = {**item.resource, "status": "draft"}
            yield replace(item, resource=resource, original=jsonio.dump(resource), media=MEDIA["json"])
            continue
        if waits:
            asked.add(item.patient)
        yield item


def _item(files: Files, put: _Put, today: date) -> LoadItem:
    data = files.read(put.path)
    media = fixture_media(put.path, data)
    variables = dict(put.variables)

    def look_up(name: str) -> str | None:
        text = variables.get(name)
        return placeholders.fill(text) if text is not None and f"${{{name}}}" not in text else text

    placeholders = Placeholders(today, look_up)
    escape = json_escape if media.endswith("json") else attribute_escape
    original = placeholders.fill(data.decode("utf-8-sig"), escape).encode()
    content = Body(original, media, put.version)
    if content.resource is None:
        raise ValueError(content.fault)
    if not isinstance(content.resource.get("id"), str):
        raise ValueError("the fixture has no id")
    return LoadItem(content.resource, put.version, original, media, put.path)


def _bare(token: str) -> str:
    return token.strip().removeprefix("Bearer").removeprefix("bearer").strip()
