"""Finding the scripts of a folder: sets, roles, and which of them to run when nothing is asked."""

import json
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from profiles.fhir.version import FhirVersion
from workbench.qualify.files import Files, MissingFile
from workbench.qualify.reading import is_script, read_script
from workbench.qualify.script import Script, Side

_OPTIONAL = ("-No", "-Nictiz")


@dataclass(frozen=True, slots=True)
class ScriptSet:
    """The scripts of one information standard: one report page, called ``name``.

    ``roles`` maps a role folder to its scripts.
    """

    name: str
    title: str
    folder: str
    roles: Mapping[str, Sequence[Script]]
    packages: Sequence[str] = ()
    left_out: Sequence[str] = ()

    @property
    def scripts(self) -> list[Script]:
        """All scripts, role by role."""
        return [script for scripts in self.roles.values() for script in scripts]


@dataclass
class _Found:
    scripts: dict[str, list[Script]] = field(default_factory=dict)
    title: str = ""
    packages: set[str] = field(default_factory=set)


def find_sets(files: Files, start: str = "", roles: Sequence[str] = (), formats: Sequence[str] = ()) -> list[ScriptSet]:
    """The sets below ``start``, with the scripts to run.

    ``roles`` are names of role folders; without them the scripts that test a server are chosen, but not the folders
    that are alternatives to another role (``...-NoManifest``, ``...-Nictiz-only``) nor Prevalidation; those are named
    in ``left_out``. ``formats`` keeps the scripts of these formats, and those that leave the format open.
    UnreadableScript when a file that calls itself a TestScript cannot be read.
    """
    groups: dict[str, _Found] = {}
    for name in files.names:
        if not _below(name, start) or not name.endswith(".xml") or "/_reference" in f"/{name}":
            continue
        data = files.read(name)
        if is_script(data):
            folder = posixpath.dirname(name)
            properties = _properties(files, folder)
            script = read_script(data, name, _release(properties, name))
            group = groups.setdefault(_set_of(files.names, folder), _Found())
            group.scripts.setdefault(folder, []).append(script)
            group.title = group.title or _title(properties)
            group.packages |= _packages(properties)
    sets = (_chosen(folder, group, roles, formats) for folder, group in sorted(groups.items()))
    return [one for one in sets if one.roles or one.left_out]


def _below(name: str, start: str) -> bool:
    return not start or name == start or name.startswith(f"{start}/")


def _set_of(names: Iterable[str], folder: str) -> str:
    """The folder that holds ``_reference...``, at or above a script's folder; else the parent."""
    candidate = folder
    known = [name for name in names if "_reference" in name or "_LoadResources" in name]
    while True:
        prefix = f"{candidate}/" if candidate else ""
        if any(name.startswith((f"{prefix}_reference", f"{prefix}_LoadResources")) for name in known):
            return candidate
        if not candidate:
            return posixpath.dirname(folder)
        candidate = posixpath.dirname(candidate)


def _properties(files: Files, folder: str) -> dict[str, Any]:
    try:
        found = json.loads(files.read(posixpath.join(folder, "properties.json")))
    except (MissingFile, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _release(properties: Mapping[str, Any], name: str) -> FhirVersion | None:
    for text in (str(properties.get("fhirVersion", "")), name.split("/", 1)[0]):
        try:
            return FhirVersion.of(text)
        except ValueError:
            continue
    return None


def _title(properties: Mapping[str, Any]) -> str:
    parts = (properties.get("informationStandard"), properties.get("usecase"), properties.get("goal"))
    return " ".join(str(part) for part in parts if part)


def _packages(properties: Mapping[str, Any]) -> set[str]:
    rows = properties.get("fhirPackage")
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {f"{row['name']}@{row['version']}" for row in found if row.get("name") and row.get("version")}


def _chosen(folder: str, group: _Found, roles: Sequence[str], formats: Sequence[str]) -> ScriptSet:
    wanted = {role.lower().strip("/") for role in roles}
    kept: dict[str, list[Script]] = {}
    left_out = []
    for role_folder, scripts in sorted(group.scripts.items()):
        role = posixpath.relpath(role_folder, folder or ".") if role_folder != folder else "."
        if wanted:
            names = {role.lower(), *role.lower().split("/")}
            taken = scripts if wanted & names else []
        else:
            taken = [
                script for script in scripts if script.side is Side.SERVER and not _alternative(role, group, folder)
            ]
            if not taken and any(script.side is Side.SERVER for script in scripts):
                left_out.append(role)
        taken = [script for script in taken if not formats or not script.formats or script.formats & set(formats)]
        if taken:
            kept[role] = sorted(taken, key=lambda script: script.path)
    title = group.title or folder.replace("/", " ") or "scripts"
    return ScriptSet(_slug(title), title, folder, kept, sorted(group.packages), left_out)


def _slug(text: str) -> str:
    return "-".join(re.findall(r"[\w.]+", text))


def _alternative(role: str, group: _Found, folder: str) -> bool:
    if "prevalidation" in role.lower():
        return True
    siblings = {posixpath.relpath(other, folder or ".") for other in group.scripts}
    return any(role.startswith(sibling + mark) for sibling in siblings for mark in _OPTIONAL if sibling != role)
