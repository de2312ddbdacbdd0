"""Rotating the keys that seal (IDN-07): everything opens under the new key, and the old one can go."""

import base64
import json
from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import select

from auth.crypto import KeyRing
from gateway.cli.main import cli
from gateway.store.engine import open_engine
from gateway.store.schema import original, patient

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
    for arguments in (["db", "upgrade"], ["import", str(tmp_path / "p.json"), "--provider", "ziekenhuiszandoord"],
                      ["tokens", "load", str(tmp_path / "tokens.json")]):  # fmt: skip
        assert runner.invoke(cli, arguments, env=old).exit_code == 0
    done = runner.invoke(cli, ["keys", "reseal"], env=both)
    assert "1 grants, 1 patients, 1 originals" in done.output
    again = runner.invoke(cli, ["keys", "reseal"], env=both)
    assert "0 grants, 0 patients, 0 originals" in again.output
    engine = open_engine(url)
    new = KeyRing("b", {"b": b"b" * 32})
    with engine.connect() as connection:
        assert new.open("bsn", connection.execute(select(patient.c.sealed_bsn)).scalar_one()) == BSN.encode()
        assert json.loads(new.open("original", connection.execute(select(original.c.sealed)).scalar_one())) == person
    engine.dispose()
