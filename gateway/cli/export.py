"""gateway store export: all records of a provider as lines of FHIR, a file per type (Bulk Data), for its own use."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from gateway.calendar import today_here
from gateway.cli.access import opened
from gateway.cli.context import as_json, console, database, emit, fail, needs_provider, with_settings
from gateway.settings import Settings
from gateway.store import records
from gateway.store.engine import reading
from profiles.conversion.losses import as_outcome
from profiles.conversion.ways import WAYS
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

LOST = "OperationOutcome"
"""The file with what was lost on the way to another release: an OperationOutcome for each record."""


class NdjsonFolder:
    """A new folder of files that only their owner may read: a line for each resource, a file for each type."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError when the folder cannot be made, or is there."""
        folder.mkdir(mode=0o700, parents=True)
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._stack = ExitStack()
        self.counts = Counter[str]()

    def put(self, resource: Resource) -> None:
        """Write a resource."""
        kind = str(resource["resourceType"])
        if kind not in self._files:
            self._files[kind] = self._stack.enter_context(self._opened(f"{kind}.ndjson"))
        self._files[kind].write(jsonio.dump(resource) + b"\n")
        self.counts[kind] += 1

    def close(self, at: datetime, request: str) -> None:
        """Finish the files, and write what there is (manifest.json): its absence tells that an export broke off."""
        self._stack.close()
        rows = [{"type": kind, "url": f"{kind}.ndjson", "count": n} for kind, n in sorted(self.counts.items())]
        manifest = {
            "transactionTime": at.isoformat(timespec="seconds"),
            "request": request,
            "requiresAccessToken": False,
            "output": [row for row in rows if row["type"] != LOST],
            "error": [row for row in rows if row["type"] == LOST],
        }
        with self._opened("manifest.json") as file:
            file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")

    def _opened(self, name: str) -> BinaryIO:
        return os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


@click.command("export")
@click.option("--provider", required=True, help="MedMij name of the care provider, without @medmij.")
@click.option("--fhir", type=click.Choice(["stu3", "r4"]), default="stu3", show_default=True, help="FHIR release.")
@click.option("--to", "target", type=click.Choice(["r4", "stu3"]), help="Convert records to the other release.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="A folder to be made.")
@as_json
@with_settings
def export_command(settings: Settings, provider: str, fhir: str, target: str | None, out: Path, as_json: bool) -> None:
    """Write all records of a provider as lines of FHIR, a file for each type, with a manifest (FHIR Bulk Data).

    For the institution's own use: it is every patient's whole record, with BSN, in files that only their owner may
    read. It is recorded in the access trail before anything is written. With --to what was lost stands in
    OperationOutcome.ndjson. A folder without manifest.json is of an export that broke off.
    """
    if target == fhir:
        raise click.UsageError(f"--to {target} goes with --fhir {'stu3' if target == 'r4' else 'r4'}")
    version, at = FhirVersion.of(fhir), datetime.now(UTC)
    with database(settings) as engine:
        with reading(engine).connect() as connection:
            needs_provider(settings, provider, connection)
            known = records.counts(connection, provider, version)
        opened(engine, settings, "export", provider=provider, resources=tuple(known.items()))
        try:
            folder = NdjsonFolder(out)
        except OSError as fault:
            fail(f"{out}: {fault.strerror}")
        with reading(engine).connect() as connection:
            for record in records.records(connection, provider, version):
                for resource in _delivered(record, target, today_here()):
                    folder.put(resource)
    asked = f"gateway store export --provider {provider} --fhir {fhir}"
    folder.close(at, f"{asked} --to {target}" if target else asked)
    written = dict(sorted(folder.counts.items()))
    if as_json:
        emit({"provider": provider, "folder": str(out), "written": written})
        return
    for kind, count in written.items():
        console.print(f"{kind}: {count}", highlight=False, markup=False)


def _delivered(record: list[Resource], target: str | None, day: date) -> Iterator[Resource]:
    if target is None:
        yield from record
        return
    result = WAYS[FhirVersion.of(target)].convert(record, day)
    yield from result.resources
    if result.losses:
        yield as_outcome(result.losses)
