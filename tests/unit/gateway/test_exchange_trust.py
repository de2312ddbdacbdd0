"""Who an institution is: the URA of a certificate, keys that are rotated, and what may not be configured."""

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey, KeySet
from security.pki import Pki

from auth.peer.certificates import CertificateRefused
from auth.peer.tls import TlsSettings
from gateway.exchange.assertions import AssertionSigner, KeyFault, PartnerKeys, peek
from gateway.exchange.inputs import TYPES
from gateway.exchange.peers import ura_of
from gateway.exchange.settings import ExchangeSettings, PartnerSettings, PartySettings
from gateway.exchange.trust import Connected, TokenDenied
from gateway.exchange.twiin import TwiinTrust

UZI = "2.16.528.1.1007.99.2110-1-900025039-S-{}-00.000-00000000"


def certificate(folder: Path, *uras: str) -> x509.Certificate:
    """A certificate with these URAs, as a UZI server certificate names one."""
    names: list[x509.GeneralName] = [x509.DNSName("zandoord.example")]
    for ura in uras:
        text = UZI.format(ura).encode()
        names.append(x509.OtherName(x509.ObjectIdentifier("2.5.5.5"), bytes([0x16, len(text)]) + text))
    pki = Pki(folder)
    return pki.issuing.issue(extra=[x509.SubjectAlternativeName(names)]).certificate


@pytest.mark.parametrize("uras", [(), ("90000382",)])
def test_the_ura_stands_in_the_certificate_or_nowhere(tmp_path: Path, uras: tuple[str, ...]) -> None:
    """NPI-02."""
    assert ura_of(certificate(tmp_path, *uras)) == "".join(uras)


def test_nobody_is_two_organisations(tmp_path: Path) -> None:
    with pytest.raises(CertificateRefused):
        ura_of(certificate(tmp_path, "90000382", "90000383"))


def test_a_certificate_acts_for_its_own_ura_only() -> None:
    """NP-63, TK-11: host name and URA both have to fit."""
    partner = PartnerSettings(ura="90000002", name="GGZ", hosts=("GGZ.example",))
    section = ExchangeSettings(
        partners={"ggz": partner}, tls=TlsSettings(), base_url="https://z.example", keys=(), client_id="z"
    )
    trust = TwiinTrust(section, AssertionSigner(()), lambda: pytest.fail("nobody is asked"))
    assert trust.belongs("ggz", Connected(("ggz.example",), "t", "90000002"))
    assert trust.belongs("ggz", Connected(("ggz.example",), "t"))
    assert not trust.belongs("ggz", Connected(("ggz.example",), "t", "90000003"))
    assert not trust.belongs("ggz", Connected(("other.example",), "t", "90000002"))
    assert not trust.belongs("unknown", Connected(("ggz.example",), "t"))


def written(folder: Path, *keys: ECKey) -> Path:
    """A JWK set as a file."""
    file = folder / "jwks.json"
    file.write_text(json.dumps(KeySet(list(keys)).as_dict(private=False)))
    return file


def new_key() -> ECKey:
    key = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()).private_bytes(*_pem()))
    key.ensure_kid()
    return key


def _pem() -> tuple[object, ...]:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()


def test_a_new_key_of_a_partner_is_found_and_an_old_one_still_good(tmp_path: Path) -> None:
    """NP-35, TK-05: one look more when a key is not known."""
    old, new = new_key(), new_key()
    keys = PartnerKeys(written(tmp_path, old), clock=lambda: 1_000.0)
    said = AssertionSigner((old,)).sign({"iss": "x"}, 60, 1_000)
    assert keys.verified(said, peek(said)[0]["kid"]) is not None
    rotated = AssertionSigner((new,)).sign({"iss": "x"}, 60, 1_000)
    assert keys.verified(rotated, peek(rotated)[0]["kid"]) is None
    written(tmp_path, old, new)
    assert keys.verified(rotated, peek(rotated)[0]["kid"]) is not None
    assert keys.verified(said, peek(said)[0]["kid"]) is not None


@pytest.mark.parametrize("text", ["", ".", "a.b.c", "e30.e30", "[].[].x", "x" * 9_000])
def test_what_is_no_assertion_is_told_so(text: str) -> None:
    """NP-34."""
    with pytest.raises(TokenDenied):
        peek(text)


def test_a_key_that_cannot_be_used_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    with pytest.raises(KeyFault, match=r"key\.pem"):
        AssertionSigner.read([file])
    file.write_text("{}")
    with pytest.raises(KeyFault, match=r"key\.pem"):
        AssertionSigner.read([file])


def test_production_says_what_is_missing() -> None:
    """GR-03, TK-10: nothing is exchanged over plain HTTP, without keys, or with a partner that cannot be known."""
    plain = PartnerSettings(ura="90000002", name="GGZ", token_url="http://ggz.example/token", scopes=("bgz-sender",))
    section = ExchangeSettings(
        parties={"z": PartySettings(ura="90000001", name="Z")}, partners={"ggz": plain}, base_url="http://z.example"
    )
    told = "\n".join(section.problems("production"))
    for part in ("base_url", "keys", "tls.peer", "token_url", "hosts", "client_id"):
        assert part in told
    assert list(ExchangeSettings().problems("production")) == []
    assert "Binary" not in TYPES
