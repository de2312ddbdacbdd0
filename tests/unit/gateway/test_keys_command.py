"""Rotating the keys that seal (IDN-07): everything opens under the new key, and the old one can go."""

import base64
import json
from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import select

from auth.crypto import KeyRing
from gateway.cli.keys import SEALED
from gateway.cli.main import cli
from gateway.store.engine import open_engine
from gateway.store.schema import metadata, original, patient
from profiles.fhir.codec.packing import unpack

BSN = "999990019"


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


def test_after_a_rotation_the_old_key_can_go(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/gateway.db"
    old = {
        "GATEWAY_DATABASE_URL": url,
        "GATEWAY_AUTH__SEAL_KEYS": json.dumps({"a": key("a")}),
        "GATEWAY_AUTH__SEAL_WITH": "a",
    }
    both = old | {"GATEWAY_AUTH__SEAL_KEYS": json.dumps({"a": key("a"), "b": key("b")}), "GATEWAY_AUTH__SEAL_WITH": "b"}
    person = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": BSN}],
    }
    (tmp_path / "p.json").write_text(json.dumps(person))
    tokens = [{"token": "a-token-of-the-test", "provider": "ziekenhuiszandoord", "services": ["48"], "bsn": BSN}]
    (tmp_path / "tokens.json").write_text(json.dumps(tokens))
    runner = CliRunner()
    loading = ["import", str(tmp_path / "p.json"), "--provider", "ziekenhuiszandoord", "--fhir", "stu3"]
    for arguments in (["db", "upgrade"], loading,
                      ["tokens", "load", str(tmp_path / "tokens.json")]):  # fmt: skip
        assert runner.invoke(cli, arguments, env=old).exit_code == 0
    done = runner.invoke(cli, ["keys", "reseal"], env=both)
    assert "grants 1, patient.sealed_bsn 1, original.sealed 1" in done.output.replace("\n", " ")
    again = runner.invoke(cli, ["keys", "reseal"], env=both)
    assert "grants 0, patient.sealed_bsn 0, original.sealed 0" in again.output.replace("\n", " ")
    engine = open_engine(url)
    new = KeyRing("b", {"b": b"b" * 32})
    with engine.connect() as connection:
        assert new.open("bsn", connection.execute(select(patient.c.sealed_bsn)).scalar_one()) == BSN.encode()
        sealed = connection.execute(select(original.c.sealed)).scalar_one()
        assert json.loads(unpack(new.open("original", sealed))) == person
    engine.dispose()


def test_every_sealed_column_is_resealed() -> None:
    named = {str(column) for column, _ in SEALED}
    held = {
        str(column)
        for table in metadata.tables.values()
        for column in table.columns
        if column.name.startswith("sealed")
    }
    assert named == held
