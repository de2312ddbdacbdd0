"""gateway backup, gateway restore: consents, the access trail and keys, sealed."""

import hashlib
import hmac
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from auth.crypto import SealError
from auth.store.tables import families
from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable
from gateway.audit.verify import verify
from gateway.backup.archive import back_up, manifest_of, restore
from gateway.backup.contents import Manifest
from gateway.backup.envelope import BackupError, Opener, Recipient, passphrase_of
from gateway.cli.access import audited, operator
from gateway.cli.context import FINDINGS, console, database, errors, fail, with_settings
from gateway.cli.db import upgrade, upgrade_to
from gateway.settings import Settings, authorization, variable
from gateway.store.engine import reading
from gateway.wiring import audit_key_of, keys_of

P = ParamSpec("P")
R = TypeVar("R")
FILE = click.Path(path_type=Path, dir_okay=False)


def _told(command: Callable[P, R]) -> Callable[P, R]:
    """A fault of a backup is one line."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BackupError as fault:
            fail(str(fault))

    return wrapper


@click.command("backup")
@click.argument("file", type=FILE)
@click.option("--recipient", type=FILE, help="Public key (PEM, X25519) of who may open it.")
@click.option("--passphrase-file", type=FILE, help="File with a passphrase, in place of a key.")
@click.option("--everything", is_flag=True, help="All that is stored, not only what cannot be had again.")
@click.option("--without-keys", is_flag=True, help="Leave the keys out: they are kept elsewhere.")
@with_settings
@_told
def backup_command(
    settings: Settings,
    file: Path,
    recipient: Path | None,
    passphrase_file: Path | None,
    everything: bool,
    without_keys: bool,
) -> None:
    """Write FILE: consents with what lives by them, the access trail, merged numbers, and the keys; sealed.

    The gateway goes on meanwhile, and the copy is of one moment. It is recorded in the access trail.
    """
    whom = _recipient(recipient, passphrase_file)
    if file.exists():
        raise BackupError(f"{file} is there already")
    keys = {} if without_keys else _keys(settings)
    part = file.with_name(f"{file.name}.part")
    with database(settings) as engine:
        _record(engine, settings, "backup", Counter())
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                counts = back_up(engine, out, whom, marks=_marks(settings), keys=keys, everything=everything)
                out.flush()
                os.fsync(out.fileno())
            part.rename(file)
        except OSError as fault:
            raise BackupError(f"{file}: {fault.strerror}") from None
        finally:
            part.unlink(missing_ok=True)
    _show(f"{file} written", counts)


@click.command("restore")
@click.argument("file", type=FILE)
@click.option("--key", type=FILE, help="Private key (PEM, X25519) of the recipient.")
@click.option("--passphrase-file", type=FILE, help="File with the passphrase, in place of a key.")
@click.option("--keys-to", type=FILE, help="Only write the keys that are in it to this file, as variables.")
@with_settings
@_told
def restore_command(
    settings: Settings, file: Path, key: Path | None, passphrase_file: Path | None, keys_to: Path | None
) -> None:
    """Put the backup FILE into an empty store, and check the access trail after it.

    First the keys, with --keys-to, when the settings do not have them: what is put back can be read with those only.
    Exit code 1 when the trail does not fit its chain, 2 when nothing was put back.
    """
    if (key is None) == (passphrase_file is None):
        raise BackupError("name --key or --passphrase-file")
    opener = Opener.of(key) if key else Opener(passphrase=passphrase_of(passphrase_file or file))
    try:
        opened = file.open("rb")
    except OSError as fault:
        raise BackupError(f"{file}: {fault.strerror}") from None
    with opened:
        manifest, chunks = manifest_of(opened, opener)
        if keys_to is not None:
            _write_keys(manifest, keys_to)
            return
        _needs_keys(settings, manifest)
        with database(settings, create=True) as engine:
            counts = restore(engine, manifest, chunks, lambda revision: upgrade_to(engine, revision))
            upgrade(engine)
            _record(engine, settings, "restore", counts)
            faults = _checked(engine, settings)
    _show(f"put back what was kept {manifest.made}", counts)
    for line in faults:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if faults:
        raise SystemExit(FINDINGS)
    console.print("the access trail fits its chain, and what is sealed can be opened", highlight=False)


def _recipient(key: Path | None, passphrase_file: Path | None) -> Recipient:
    if (key is None) == (passphrase_file is None):
        raise BackupError("name --recipient or --passphrase-file: a backup is never written in plain")
    return Recipient.of(key) if key else Recipient(passphrase=passphrase_of(passphrase_file or Path()))


def _keys(settings: Settings) -> dict[str, Any]:
    """The keys by the name of their setting; only what is set (test mode has keys of its own)."""
    section = settings.auth
    ring = {name: secret.get_secret_value() for name, secret in section.seal_keys.items()}
    secrets = {
        "audit_key": settings.audit_key.get_secret_value(),
        "auth.pseudonym_key": section.pseudonym_key.get_secret_value() if section.pseudonym_key else None,
        "auth.seal_keys": ring or None,
        "auth.seal_with": section.seal_with,
    }
    return {name: value for name, value in secrets.items() if value}


def _marks(settings: Settings) -> dict[str, str]:
    """Fingerprints of the keys in use, which tell later whether the settings have them."""
    section = authorization(settings)
    _, ring = section.seal_ring()
    keys = {
        "audit_key": audit_key_of(settings),
        "auth.pseudonym_key": section.pseudonym_bytes(),
    }
    keys |= {f"auth.seal_keys.{name}": key for name, key in ring.items()}
    return {name: hmac.digest(key, b"backup", hashlib.sha256)[:8].hex() for name, key in keys.items()}


def _needs_keys(settings: Settings, manifest: Manifest) -> None:
    own = _marks(settings)
    lacking = sorted(name for name, mark in manifest.marks.items() if own.get(name) != mark)
    if lacking:
        how = "--keys-to writes them" if manifest.keys else "they are not in it"
        raise BackupError(f"the settings do not have the keys of this backup: {', '.join(lacking)}; {how}")


def _write_keys(manifest: Manifest, file: Path) -> None:
    if not manifest.keys:
        raise BackupError("there are no keys in this backup")
    lines = [f"{variable(name)}='{_shown(value)}'" for name, value in sorted(manifest.keys.items())]
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write("".join(f"{line}\n" for line in lines))
    except OSError as fault:
        raise BackupError(f"{file}: {fault.strerror}") from None
    errors.print(f"keys written to {file}", highlight=False, markup=False, soft_wrap=True)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _record(engine: Any, settings: Settings, what: str, counts: Mapping[str, int]) -> None:
    record = AuditRecord(
        f"operator:store:{what}",
        datetime.now(UTC),
        200,
        client=operator(),
        interaction=what,
        resources=tuple(sorted(counts.items())),
    )
    try:
        audited(engine, settings, [record])
    except AuditUnavailable:
        raise BackupError("it cannot be recorded in the access trail, so nothing was done") from None


def _checked(engine: Any, settings: Settings) -> list[str]:
    """What does not fit of what was put back: breaks of the trail, and consents whose numbers cannot be opened."""
    _, ring = keys_of(settings)
    with reading(engine).connect() as connection:
        faults = [
            f"chain {one.chain}, record {one.sequence}: {one.text}"
            for one in verify(connection, audit_key_of(settings))
        ]
        sealed = families.select().with_only_columns(families.c.id, families.c.sealed_bsn)
        for row in connection.execute(sealed.where(families.c.sealed_bsn.is_not(None))):
            try:
                ring.open("bsn", bytes(row.sealed_bsn))
            except SealError as fault:
                faults.append(f"consent family {row.id}: {fault}")
    return faults


def _show(text: str, counts: Mapping[str, int]) -> None:
    rows = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "no rows"
    console.print(f"{text}: {rows}", highlight=False, markup=False, soft_wrap=True)
