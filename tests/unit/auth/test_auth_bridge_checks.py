"""An operator is told what is wrong with the login bridge before a patient finds out."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from world.auth_house import P1
from world.saml_bridge import STRANGER, SamlBridge

from auth.login.check import check_bridges
from auth.peer.tls import TlsSettings
from auth.settings import AuthSettings

NOW = datetime.now(UTC)


def told(settings: AuthSettings, days: int = 0) -> list[tuple[str, str]]:
    found = check_bridges(settings, TlsSettings(), NOW + timedelta(days=days))
    return [(one.what, one.level) for one in found]


def test_a_saml_bridge_is_looked_at_with_its_dates(tmp_path: Path) -> None:
    """Fine today; a month before its certificates end it is told, and after that it is an error."""
    settings = AuthSettings(saml=SamlBridge(P1).settings(tmp_path))
    names = ["login", "login metadata", "login certificate"]
    assert told(settings) == [(name, "ok") for name in names]
    assert told(settings, 380) == [("login", "ok"), ("login metadata", "warning"), ("login certificate", "warning")]
    assert told(settings, 401) == [("login", "ok"), ("login metadata", "error"), ("login certificate", "error")]


def test_pairs_that_do_not_belong_together_and_files_that_are_not_there(tmp_path: Path) -> None:
    saml = SamlBridge(P1).settings(tmp_path)
    key, _ = STRANGER.write(tmp_path, "stranger")
    other = saml.model_copy(update={"tls_certificate": saml.certificate_file, "tls_key": key})
    assert told(AuthSettings(saml=other)) == [("login", "error")]
    right = saml.model_copy(update={"tls_certificate": saml.certificate_file, "tls_key": saml.key_file})
    assert told(AuthSettings(saml=right), 380)[-1] == ("login TLS certificate", "warning")
    absent = saml.model_copy(update={"metadata_file": tmp_path / "absent"})
    assert told(AuthSettings(saml=absent)) == [("login", "error")]


def test_openid_connect_and_ocsp() -> None:
    assert told(AuthSettings()) == [("login", "warning")], "plain HTTP is for tests"
    found = check_bridges(AuthSettings(), TlsSettings(ocsp="hard"), NOW)
    assert [(one.what, one.level) for one in found[1:]] == [("OCSP", "warning"), ("OCSP", "ok")]
