"""The check of a peer's certificate, and what `doctor` sees in our own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from security.pki import CLIENT, DAY, SERVER, Authority, Identity, Pki, pem

from auth.peer.certificates import CertificateRefused, PeerCheck, Trust, inspect, regime_faults
from auth.peer.crl import RevocationList, Revocations, parse

HOST = "medmij.mijndossierboom.example"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def check(pki: Pki, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> PeerCheck:
    return PeerCheck(Trust.read(pki.trust), Revocations(pki.crls), now)


def test_a_good_certificate_gives_its_names_in_lower_case(pki: Pki) -> None:
    """TLS-08, TLS-09, LIST-09."""
    assert check(pki).client(pki.issuing.issue(HOST.upper(), "b.example").der) == (HOST, "b.example")


def _issued_by_leaf(pki: Pki) -> Identity:
    leaf = pki.issuing.issue("b.example")
    forger = Authority("x")
    assert isinstance(leaf.key, ec.EllipticCurvePrivateKey)
    forger._key, forger._subject = leaf.key, leaf.certificate.subject
    return forger.issue(HOST)


REFUSED: dict[str, tuple[Callable[[Pki], Identity], str]] = {
    "expired": (lambda p: p.issuing.issue(HOST, begins=-9 * DAY, ends=-DAY), "expired"),
    "not yet valid": (lambda p: p.issuing.issue(HOST, begins=DAY), "not yet valid"),
    "another authority": (lambda p: p.stranger.issue(HOST), "no good chain"),
    "an authority of the same name": (
        lambda p: Authority("Fictieve TSP Private Services CA", Authority("Fictieve Private Root")).issue(HOST),
        "no good chain",
    ),
    "issued by a leaf": (_issued_by_leaf, "no good chain"),
    "server use only": (lambda p: p.issuing.issue(HOST, usages=[SERVER]), "no good chain"),
    "no extended key usage": (lambda p: p.issuing.issue(HOST, usages=[]), "extended key usage"),
    "no signature usage": (lambda p: p.issuing.issue(HOST, signature=False), "key usage"),
    "no name": (lambda p: p.issuing.issue(), "no good chain"),
}


@pytest.mark.parametrize(("make", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_certificate_with_a_fault_is_refused(pki: Pki, make: Callable[[Pki], Identity], why: str) -> None:
    """TLS-05, TLS-09, CT-74."""
    with pytest.raises(CertificateRefused, match=why):
        check(pki).client(make(pki).der)


def _foreign_signature(pki: Pki) -> None:
    (pki.crls / "issuing.crl").write_bytes(pki.issuing.revocation_list(signer=pki.stranger))


def _expired_list(pki: Pki) -> None:
    (pki.crls / "issuing.crl").write_bytes(pki.issuing.revocation_list(begins=-9 * DAY, ends=-DAY))


def _future_list(pki: Pki) -> None:
    (pki.crls / "issuing.crl").write_bytes(pki.issuing.revocation_list(begins=DAY, ends=2 * DAY))


def _no_list(pki: Pki) -> None:
    (pki.crls / "issuing.crl").unlink()


def _no_root_list(pki: Pki) -> None:
    (pki.crls / "root.crl").unlink()


def _broken_list(pki: Pki) -> None:
    (pki.crls / "issuing.crl").write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")


def _point(*, ca: bool = False, indirect: bool = False, uri: str | None = None) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(uri)] if uri else None,
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=ca,
        only_some_reasons=None,
        indirect_crl=indirect,
        only_contains_attribute_certs=False,
    )


def _scoped(extension: x509.ExtensionType) -> Callable[[Pki], None]:
    def write(pki: Pki) -> None:
        (pki.crls / "issuing.crl").write_bytes(pki.issuing.revocation_list(extensions=[(extension, True)]))

    return write


def _no_folder(pki: Pki) -> None:
    for file in pki.crls.iterdir():
        file.unlink()
    pki.crls.rmdir()


BAD_LISTS = {
    "signed by another": _foreign_signature,
    "out of force": _expired_list,
    "not yet in force": _future_list,
    "absent": _no_list,
    "absent for the issuing authority": _no_root_list,
    "broken": _broken_list,
    "no folder": _no_folder,
    "for authorities only": _scoped(_point(ca=True)),
    "for another part of the certificates": _scoped(_point(uri="http://crl.example/part2.crl")),
    "indirect": _scoped(_point(indirect=True)),
    "delta": _scoped(x509.DeltaCRLIndicator(1)),
}


@pytest.mark.parametrize("damage", BAD_LISTS.values(), ids=BAD_LISTS.keys())
def test_without_a_revocation_list_in_force_nobody_gets_in(pki: Pki, damage: Callable[[Pki], None]) -> None:
    """TLS-09: fail closed."""
    damage(pki)
    with pytest.raises(CertificateRefused, match="no revocation list"):
        check(pki).client(pki.issuing.issue(HOST).der)


def test_a_revoked_certificate_is_refused_and_its_neighbour_is_not(pki: Pki) -> None:
    """TLS-09, CT-74."""
    revoked, other = pki.issuing.issue(HOST), pki.issuing.issue(HOST)
    pki.revoke(revoked)
    with pytest.raises(CertificateRefused, match="revoked"):
        check(pki).client(revoked.der)
    assert check(pki).client(other.der) == (HOST,)


def test_a_revoked_issuing_authority_takes_its_certificates_with_it(pki: Pki) -> None:
    (pki.crls / "root.crl").write_bytes(pki.root.revocation_list(Identity(pki.issuing.certificate, pki.issuing._key)))
    with pytest.raises(CertificateRefused, match="an intermediate: revoked"):
        check(pki).client(pki.issuing.issue(HOST).der)


def test_a_list_out_of_force_still_counts_against_a_revoked_certificate(pki: Pki) -> None:
    leaf = pki.issuing.issue(HOST)
    (pki.crls / "old.crl").write_bytes(pki.issuing.revocation_list(leaf, begins=-9 * DAY, ends=-DAY))
    with pytest.raises(CertificateRefused, match="revoked"):
        check(pki).client(leaf.der)


def test_der_lists_and_lists_of_a_part_are_understood(pki: Pki) -> None:
    uri = "http://crl.example/part1.crl"
    name = x509.UniformResourceIdentifier(uri)
    points = x509.CRLDistributionPoints([x509.DistributionPoint([name], None, None, None)])
    found = x509.load_pem_x509_crl(pki.issuing.revocation_list(extensions=[(_point(uri=uri), True)]))
    (pki.crls / "issuing.crl").write_bytes(found.public_bytes(serialization.Encoding.DER))
    assert check(pki).client(pki.issuing.issue(HOST, extra=[points]).der) == (HOST,)


def test_a_remembered_answer_ends_with_new_revocation_lists(pki: Pki) -> None:
    """TLS-09: a certificate that was good a moment ago."""
    leaf = pki.issuing.issue(HOST)
    revocations = Revocations(pki.crls)
    checker = PeerCheck(Trust.read(pki.trust), revocations)
    assert checker.client(leaf.der) == (HOST,)
    pki.revoke(leaf)
    assert checker.client(leaf.der) == (HOST,), "looked at again within 30 s only when asked to"
    revocations.look_again()
    with pytest.raises(CertificateRefused, match="revoked"):
        checker.client(leaf.der)


def test_a_remembered_answer_ends_with_the_certificate(pki: Pki) -> None:
    clock = [datetime.now(UTC)]
    pki.crls.joinpath("issuing.crl").write_bytes(pki.issuing.revocation_list(ends=100 * DAY))
    pki.crls.joinpath("root.crl").write_bytes(pki.root.revocation_list(ends=100 * DAY))
    checker = check(pki, lambda: clock[0])
    leaf = pki.issuing.issue(HOST, ends=9 * DAY)
    assert checker.client(leaf.der)
    clock[0] += 10 * DAY
    with pytest.raises(CertificateRefused, match="expired"):
        checker.client(leaf.der)


def test_a_server_that_we_call_is_checked_too(pki: Pki) -> None:
    """TLS-09, LIST-04."""
    node = "stelselnode.medmij.example"
    good = pki.issuing.issue(node, usages=[SERVER])
    check(pki).server(good.der, node)
    with pytest.raises(CertificateRefused):
        check(pki).server(good.der, "other.example")
    with pytest.raises(CertificateRefused):
        check(pki).server(pki.issuing.issue(node, usages=[CLIENT]).der, node)
    pki.revoke(good)
    with pytest.raises(CertificateRefused, match="revoked"):
        check(pki).server(good.der, node)


@settings(max_examples=200, deadline=None)
@example(data=b"\x80", at=15)  # a negative serial number
@example(data=b"\x01", at=12)  # a version that does not exist
@given(data=st.binary(max_size=300), at=st.integers(0, 700))
def test_arbitrary_bytes_are_refused_and_nothing_else(
    shared_check: tuple[PeerCheck, bytes], data: bytes, at: int
) -> None:
    """TLS-09: neither noise nor a damaged certificate gets through or crashes the check."""
    checker, der = shared_check
    for candidate in (data, der[:at] + data + der[at + len(data) :]):
        if candidate != der:
            with pytest.raises(CertificateRefused):
                checker.client(candidate)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60), at=st.integers(0, 300))
def test_a_damaged_revocation_list_is_a_value_error_or_not_signed(
    shared_list: tuple[Authority, bytes], data: bytes, at: int
) -> None:
    """TLS-09: it came over plain HTTP; nothing in it may crash the fetch, and nothing changed may pass for signed."""
    authority, der = shared_list
    damaged = der[:at] + data + der[at + len(data) :]
    try:
        found = parse(damaged)
    except ValueError:
        return
    assert damaged == der or not RevocationList(found, frozenset(), "").signed_by(authority.certificate)


@pytest.fixture(scope="module")
def shared_list() -> tuple[Authority, bytes]:
    authority = Authority("Fictieve CA")
    found = x509.load_pem_x509_crl(authority.revocation_list(authority.issue(HOST)))
    return authority, found.public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="module")
def shared_check(tmp_path_factory: pytest.TempPathFactory) -> tuple[PeerCheck, bytes]:
    pki = Pki(tmp_path_factory.mktemp("pki"))
    return check(pki), pki.issuing.issue(HOST).der


def test_trust_needs_a_root(tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "only.pem").write_bytes(pem(pki.issuing.certificate))
    with pytest.raises(ValueError, match="root"):
        Trust.read(tmp_path / "only.pem")


# --- our own certificates ------------------------------------------------------------------------------------------


def test_a_wildcard_or_domain_validated_front_certificate_is_a_fault(pki: Pki) -> None:
    """TLS-06, CT-104."""
    assert regime_faults(pki.issuing.issue("gateway.example").certificate, "front") == []
    wildcard = regime_faults(pki.issuing.issue("*.example").certificate, "front")
    assert "wildcard" in wildcard[0]
    validated = regime_faults(pki.issuing.issue("gateway.example", organisation=None).certificate, "front")
    assert "domain-validated" in validated[0]
    assert "no DNS name" in regime_faults(pki.issuing.issue().certificate, "back")[0]


def test_what_expires_is_told_in_time(pki: Pki, tmp_path: Path) -> None:
    """For `gateway doctor`: certificates with their chain, what we trust, revocation lists, and what cannot be read."""
    soon, _ = pki.issuing.issue("gateway.example", ends=20 * DAY + timedelta(hours=1)).write(tmp_path, "front")
    over, _ = pki.issuing.issue("gateway-bc.example", begins=-5 * DAY, ends=-2 * DAY + timedelta(hours=1)).write(
        tmp_path, "back"
    )
    (pki.crls / "issuing.crl").write_bytes(pki.issuing.revocation_list(ends=timedelta(hours=3)))
    rows = inspect(
        [
            ("front", soon, "front"),
            ("back", over, "back"),
            ("trust", pki.trust, "trust"),
            ("x", tmp_path / "x", "trust"),
        ],
        Revocations(pki.crls),
    )
    found = {row.what: (row.severity, row.days_left) for row in rows}
    assert found["front"] == ("warning", 20)
    assert found["front, issuer 1"][0] == "ok"
    assert found["back"] == ("error", -2)
    assert found["trust"][0] == "ok"
    assert found["x"] == ("error", None)
    assert found["revocation list issuing.crl"][0] == "warning"
    assert found["revocation list root.crl"][0] == "ok"
