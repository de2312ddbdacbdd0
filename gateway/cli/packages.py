"""gateway packages: keep FHIR definition packages in the package cache, and say which standard uses which."""

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import httpx
import msgspec

from gateway.cli.context import as_json, emit, with_settings
from gateway.settings import Settings
from profiles.validation.schema.packages import (
    MAX_ARCHIVE,
    Package,
    PackageError,
    check_dependencies,
    default_cache,
    install,
    installed,
    satisfies,
    version_key,
)

USAGE = 2
TIMEOUT = 60.0


def fetch(client: httpx.Client, registry: str, name: str, wanted: str) -> bytes:
    """Fetch a package archive from an npm registry; PackageError with a reason when that does not work.

    ``wanted`` is a version, a range (``2.0.x``) or empty for the newest. The archive must come from the registry's
    own host: a registry that points elsewhere is refused.
    """
    base = registry.rstrip("/")
    listing = _get(client, f"{base}/{quote(name, safe='')}", f"{name} is not in the registry")
    try:
        found = msgspec.json.decode(listing)
        versions = {str(version): row for version, row in found["versions"].items()}
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as problem:
        raise PackageError(f"the registry's answer about {name} cannot be read") from problem
    fitting = [version for version in versions if satisfies(version, wanted or "*")]
    if not fitting:
        raise PackageError(
            f"the registry has no {name}@{wanted}; it has {', '.join(sorted(versions, key=version_key))}"
        )
    version = max(fitting, key=version_key)
    row = versions[version]
    dist = row.get("dist") if isinstance(row, dict) else None
    url = httpx.URL(base + "/").join(
        str(dist["tarball"]) if isinstance(dist, dict) and "tarball" in dist else f"{base}/{name}/{version}"
    )
    if url.host != httpx.URL(base).host:
        raise PackageError(f"the registry points at another host for {name}@{version}; refused")
    return _get(client, str(url), f"{name}@{version} cannot be fetched")


def _get(client: httpx.Client, url: str, problem: str) -> bytes:
    try:
        with client.stream("GET", url) as response:
            if response.status_code != httpx.codes.OK:
                raise PackageError(f"{problem} (status {response.status_code})")
            parts, size = [], 0
            for part in response.iter_bytes():
                size += len(part)
                if size > MAX_ARCHIVE:
                    raise PackageError(f"{problem}: larger than allowed")
                parts.append(part)
            return b"".join(parts)
    except httpx.HTTPError as fault:
        raise PackageError(f"{problem} ({type(fault).__name__})") from fault


@click.group()
def packages() -> None:
    """FHIR definition packages in the package cache."""


_CACHE = click.option(
    "--package-cache", type=click.Path(path_type=Path, file_okay=False), help="Folder of FHIR packages."
)


@packages.command()
@click.argument("names", nargs=-1, required=True, metavar="FILE.tgz|NAME@VERSION...")
@click.option("--registry", envvar="GATEWAY_PACKAGE_REGISTRY", help="URL of an npm registry of FHIR packages.")
@click.option("--with-dependencies", is_flag=True, help="Fetch what the packages need from the registry too.")
@_CACHE
@with_settings
def add(
    settings: Settings,
    names: tuple[str, ...],
    registry: str | None,
    with_dependencies: bool,
    package_cache: Path | None,
) -> None:
    """Put packages into the cache, from files or from a registry, and say what they still need."""
    cache = package_cache or default_cache(settings.package_cache)
    added: list[Package] = []
    try:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=False) as client:
            for name in names:
                added.append(_add(client, name, registry, cache))
                click.echo(f"added {added[-1].label}")
            if with_dependencies:
                added.extend(_dependencies(client, added, registry, cache))
    except PackageError as problem:
        click.echo(f"gateway: {problem}", err=True)
        raise SystemExit(USAGE) from None
    present = installed(cache)
    for package in added:
        for missing in check_dependencies(package, present):
            instead = f"; {missing.instead} will be used" if missing.instead else ""
            click.echo(f"note: {missing.package} needs {missing.needs}@{missing.wanted}, which is not here{instead}")


def _add(client: httpx.Client, name: str, registry: str | None, cache: Path) -> Package:
    path = Path(name)
    if path.is_file():
        return install(path.read_bytes(), cache)
    if path.suffix == ".tgz":
        raise PackageError(f"{name}: no such file")
    if not registry:
        raise PackageError(f"{name} is no file; to fetch it, give --registry URL or set GATEWAY_PACKAGE_REGISTRY")
    package, _, version = name.replace("#", "@").partition("@")
    return install(fetch(client, registry, package, version), cache)


def _dependencies(client: httpx.Client, added: Iterable[Package], registry: str | None, cache: Path) -> list[Package]:
    packages: list[Package] = []
    queue = list(added)
    while queue:
        package = queue.pop()
        for missing in check_dependencies(package, installed(cache)):
            one = _add(client, f"{missing.needs}@{missing.wanted}", registry, cache)
            click.echo(f"added {one.label} (needed by {package.label})")
            packages.append(one)
            queue.append(one)
    return packages


@packages.command("list")
@as_json
@_CACHE
@with_settings
def list_command(settings: Settings, as_json: bool, package_cache: Path | None) -> None:
    """List the packages in the cache, what they need, and which standards use them."""
    cache = package_cache or default_cache(settings.package_cache)
    present = installed(cache)
    uses = _uses()
    rows = [_line(package, present, uses) for package in present]
    named = {(row["name"], row["version"]) for row in rows}
    absent = [
        {"name": name, "version": version, "fhir": "", "status": "not installed", "standards": standards}
        for (name, version), standards in sorted(uses.items())
        if (name, version) not in named
    ]
    if as_json:
        emit([*rows, *absent])
        return
    for row in [*rows, *absent]:
        click.echo(f"{row['name']}@{row['version']}  {row['fhir']}  {row['status']}")
        if row["standards"]:
            used = textwrap.wrap(f"used for: {', '.join(row['standards'])}", 76, break_on_hyphens=False)
            click.echo(textwrap.indent("\n".join(used), "    "))
    if not present:
        click.echo(f"No packages in\n  {cache}\nThe built-in definitions are used.")


def _line(package: Package, present: list[Package], uses: dict[tuple[str, str], list[str]]) -> dict[str, Any]:
    missing = check_dependencies(package, present)
    status = "ok" if not missing else "needs " + ", ".join(f"{one.needs}@{one.wanted}" for one in missing)
    return {
        "name": package.name,
        "version": package.version,
        "fhir": ", ".join(package.fhir),
        "status": status,
        "standards": uses.get((package.name, package.version), []),
    }


def _uses() -> dict[tuple[str, str], list[str]]:
    """Which standards name which package versions."""
    from profiles.standards.load import catalogue

    found: dict[tuple[str, str], list[str]] = {}
    for standard in catalogue().standards.values():
        for name, version in standard.packages.items():
            found.setdefault((name, version), []).append(standard.id)
    return {key: sorted(ids) for key, ids in found.items()}


if __name__ == "__main__":
    packages()
