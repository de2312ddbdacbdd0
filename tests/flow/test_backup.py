"""A backup that was put back: consents, what lives by them, the trail and the keys are there, and nothing was changed.

CONS-05, LOG-12: what must be kept for years has to survive the disk that it is on.
"""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from databases import KINDS, database
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select, text

from auth.store.tables import consents, families
from gateway.audit.record import AuditRecord
from gateway.audit.trail import Trail
from gateway.backup.envelope import BackupError, Opener, Recipient, Sealing, opened
from gateway.cli.db import upgrade
from gateway.cli.main import cli
from gateway.settings import load
from gateway.store.engine import open_engine
from gateway.store.schema import audit_record, resource
from gateway.wiring import keys_of

BSN = b"999990019"
WHO = "s" * 43


class Site:
    """An institution: its keys, its store, its commands."""

    def __init__(self, folder: Path, url: str, **environment: str) -> None:
        self.folder, self.url = folder, url
        self.environment = {"GATEWAY_DATABASE_URL": url, "GATEWAY_MODE": "test", "COLUMNS": "300", **environment}

    def run(self, *words: object) -> Result:
        return CliRunner().invoke(cli, [str(one) for one in words], env=self.environment)


def lived_in(engine: Engine) -> None:
    """Two consents, one of them ended, 300 records of access, and a resource of 2 MB."""
    upgrade(engine)
    settings = load()
    _, ring = keys_of(settings)
    line = {"channel": "page", "function": "collect", "provider": "ziekenhuiszandoord", "client": "pgo.example",
            "organisation": "Een PGO", "offered": "48 51", "granted": "48",
            "lasting": True, "subject": WHO}  # fmt: skip
    family = {"client": "pgo.example", "provider": "ziekenhuiszandoord", "function": "collect", "dialect": "C",
              "services": "48", "subject": WHO, "lasting": True, "created": 1, "used": 2}  # fmt: skip
    with engine.begin() as connection:
        for number, outcome in ((1, "given"), (2, "withdrawn")):
            entry = {
                "entry": f"e{number}",
                "consent_id": "c1",
                "outcome": outcome,
                "moment": 1_700_000_000_000 + number,
            }
            connection.execute(consents.insert(), {**line, **entry})
        connection.execute(families.insert(), {**family, "id": "f1", "sealed_bsn": ring.seal("bsn", BSN)})
        connection.execute(
            resource.insert(),
            {"provider": "ziekenhuiszandoord", "fhir": "stu3", "patient_id": "p1", "type": "Flag", "id": "f1",
             "source": "epd", "version": 1, "digest": b"d" * 32, "updated": datetime(2026, 1, 2, tzinfo=UTC),
             "deleted": False, "json": b"j" * 2_000_000, "xml": b"x"},
        )  # fmt: skip
    trail = Trail(engine, settings.audit_key.get_secret_value().encode())
    at = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    trail.write_now([AuditRecord("pgo:resource:search", at, 200, person=f"person {number}") for number in range(300)])
    trail.stop()


def pair(folder: Path) -> tuple[Path, Path]:
    """The public and the private key of a recipient."""
    key = X25519PrivateKey.generate()
    public, private = folder / "backup.pub", folder / "backup.key"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return public, private


def rows(url: str, table: str) -> list[tuple[object, ...]]:
    engine = open_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))]
    engine.dispose()
    return [tuple(bytes(one) if isinstance(one, memoryview) else one for one in row) for row in found]


@pytest.mark.parametrize("there", KINDS)
@pytest.mark.parametrize("here", KINDS)
def test_what_was_backed_up_is_put_back_into_either_database(here: str, there: str, tmp_path: Path) -> None:
    """CONS-05: consents, families, trail; the trail proves itself afterwards, and sealed numbers open."""
    public, private = pair(tmp_path)
    file = tmp_path / "gateway.backup"
    (tmp_path / "new").mkdir()
    with database(here, tmp_path) as url, database(there, tmp_path / "new") as other:
        engine = open_engine(url)
        lived_in(engine)
        engine.dispose()
        site = Site(tmp_path, url)
        made = site.run("backup", file, "--recipient", public)
        assert made.exit_code == 0, made.output
        assert "auth_consent 2" in made.output
        assert file.stat().st_mode & 0o077 == 0
        assert BSN not in file.read_bytes()
        assert b"pgo.example" not in file.read_bytes()
        new = Site(tmp_path, other)
        done = new.run("restore", file, "--key", private)
        assert done.exit_code == 0, done.output
        assert "the access trail fits its chain, and what is sealed can be opened" in done.output
        for table in ("auth_consent", "auth_family"):
            assert rows(other, table) == rows(url, table)
        engine = open_engine(other)
        with engine.connect() as connection:
            # 300 and the backup itself; the restore is recorded in a chain of its own.
            assert connection.execute(select(func.count()).select_from(audit_record)).scalar_one() == 302
            assert connection.execute(select(func.count()).select_from(resource)).scalar_one() == 0
            moment = connection.execute(select(audit_record.c.at).order_by(audit_record.c.at).limit(1)).scalar_one()
            assert moment.replace(tzinfo=UTC) == datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
        engine.dispose()
        assert new.run("audit", "verify").exit_code == 0
        again = new.run("restore", file, "--key", private)
        assert again.exit_code == 2
        assert "is not empty" in again.output


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_is_stored_comes_back_and_new_rows_get_new_numbers(kind: str, tmp_path: Path) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("een zin die niemand raadt\n")
    (tmp_path / "new").mkdir()
    with database(kind, tmp_path) as url, database(kind, tmp_path / "new") as other:
        engine = open_engine(url)
        lived_in(engine)
        engine.dispose()
        file = tmp_path / "all.backup"
        made = Site(tmp_path, url).run("backup", file, "--passphrase-file", phrase, "--everything")
        assert made.exit_code == 0, made.output
        assert Site(tmp_path, other).run("restore", file, "--passphrase-file", phrase).exit_code == 0
        assert rows(other, "resource") == rows(url, "resource")
        engine = open_engine(other)
        with engine.begin() as connection:
            held = dict(connection.execute(select(resource)).mappings().one())
            number = connection.execute(
                resource.insert(), {**{k: v for k, v in held.items() if k not in ("pk", "key")}, "id": "f2"}
            ).inserted_primary_key
            assert number == (held["pk"] + 1,)
        engine.dispose()


def test_a_store_that_is_written_meanwhile_is_copied_as_it_was_at_one_moment(tmp_path: Path) -> None:
    """The backup begins, then a consent comes in: the backup is without it, and the consent is not held up."""
    from gateway.backup.archive import back_up, manifest_of

    url = f"sqlite:///{tmp_path}/gateway.db"
    engine = open_engine(url)
    lived_in(engine)
    entry = rows(url, "auth_consent")[0]

    class Busy(io.BytesIO):
        written = False

        def write(self, data: bytes) -> int:  # type: ignore[override]
            if not self.written:
                self.written = True
                with engine.begin() as connection:
                    names = [column.name for column in consents.columns]
                    row = dict(zip(names, entry, strict=True)) | {"entry": "later", "moment": 9}
                    connection.execute(consents.insert(), row)
            return super().write(data)

    out = Busy()
    whom = Recipient(passphrase=b"een zin die niemand raadt")
    counts = back_up(engine, out, whom, marks={}, keys={}, everything=False)
    assert len(rows(url, "auth_consent")) == 3
    assert counts["auth_consent"] == 2
    out.seek(0)
    assert "auth_consent" in manifest_of(out, Opener(passphrase=whom.passphrase))[0].tables
    engine.dispose()


def test_on_a_new_machine_the_keys_come_first(tmp_path: Path) -> None:
    """Without the keys that sealed it nothing is put back; they are written to a file of the owner only."""
    public, private = pair(tmp_path)
    key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
    own = {
        "GATEWAY_AUDIT_KEY": "k" * 40,
        "GATEWAY_AUTH__PSEUDONYM_KEY": key,
        "GATEWAY_AUTH__SEAL_KEYS": json.dumps({"2026": key}),
        "GATEWAY_AUTH__SEAL_WITH": "2026",
    }
    site = Site(tmp_path, f"sqlite:///{tmp_path}/gateway.db", **own)
    assert site.run("db", "upgrade").exit_code == 0
    file, keys = tmp_path / "gateway.backup", tmp_path / "keys.env"
    assert site.run("backup", file, "--recipient", public).exit_code == 0
    bare = Site(tmp_path, f"sqlite:///{tmp_path}/new.db")
    refused = bare.run("restore", file, "--key", private)
    assert refused.exit_code == 2
    assert "audit_key, auth.pseudonym_key, auth.seal_keys.2026; --keys-to writes them" in refused.output
    assert not (tmp_path / "new.db").exists()
    assert bare.run("restore", file, "--key", private, "--keys-to", keys).exit_code == 0
    assert keys.stat().st_mode & 0o077 == 0
    told = dict(line.split("=", 1) for line in keys.read_text().splitlines())
    assert {name: value.strip("'") for name, value in told.items()} == own
    assert Site(tmp_path, bare.url, **own).run("restore", file, "--key", private).exit_code == 0
    apart = tmp_path / "apart.backup"
    assert site.run("backup", apart, "--recipient", public, "--without-keys").exit_code == 0
    assert "no keys in this backup" in bare.run("restore", apart, "--key", private, "--keys-to", "x").output


def test_wrong_usage_is_one_line(tmp_path: Path) -> None:
    public, private = pair(tmp_path)
    site = Site(tmp_path, f"sqlite:///{tmp_path}/gateway.db")
    site.run("db", "upgrade")
    short = tmp_path / "short"
    short.write_text("kort")
    (tmp_path / "there").write_text("")
    for words, said in (
        (("backup", "x"), "never written in plain"),
        (("backup", tmp_path / "there", "--recipient", public), "is there already"),
        (("backup", "x", "--recipient", private), "no public key"),
        (("backup", "x", "--passphrase-file", short), "at least 12"),
        (("restore", public, "--key", private), "no backup of the gateway"),
        (("restore", public, "--key", public), "no private key"),
        (("restore", "none", "--key", private), "No such file"),
    ):
        done = site.run(*words)
        assert (done.exit_code, said in done.output) == (2, True), (words, done.output)
    assert not (tmp_path / "x").exists()


KEY = X25519PrivateKey.generate()


def sealed(*chunks: bytes) -> bytes:
    out = io.BytesIO()
    sealing = Sealing(out, Recipient(KEY.public_key()))
    for one in chunks[:-1]:
        sealing.chunk(one)
    sealing.close(chunks[-1])
    return out.getvalue()


WHOLE = sealed(b"first", b"second", b"third")


def test_chunks_come_back_in_their_order() -> None:
    assert list(opened(io.BytesIO(WHOLE), Opener(KEY))) == [b"first", b"second", b"third"]


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_byte_that_was_changed_is_found(at: int, by: int) -> None:
    changed = bytearray(WHOLE)
    changed[at] ^= by
    with pytest.raises(BackupError):
        list(opened(io.BytesIO(bytes(changed)), Opener(KEY)))


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_was_cut_off_is_found(at: int) -> None:
    with pytest.raises(BackupError):
        list(opened(io.BytesIO(WHOLE[:at]), Opener(KEY)))


@given(st.binary(max_size=300))
def test_something_behind_the_end_or_in_place_of_a_backup_is_found(data: bytes) -> None:
    for content in (data, WHOLE + data + b"x"):
        with pytest.raises(BackupError):
            list(opened(io.BytesIO(content), Opener(KEY)))


def test_only_the_recipient_opens_it() -> None:
    for opener in (Opener(X25519PrivateKey.generate()), Opener(passphrase=b"een zin die niemand raadt")):
        with pytest.raises(BackupError):
            list(opened(io.BytesIO(WHOLE), opener))
