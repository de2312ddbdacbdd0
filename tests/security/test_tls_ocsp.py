"""OCSP beside the revocation lists (TLS-09, CT-74): a small responder, good and bad answers, and none at all."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from security.pki import DAY, Authority, Identity, Pki
from security.tlsworld import PGO, World, serving

from auth.peer.certificates import CertificateRefused, PeerCheck
from auth.peer.ocsp import OcspRefused, read
from auth.peer.tls import TlsSettings, peer_check

HOST = "medmij.mijndossierboom.example"
GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


class Responder:
    """Answers as it is told, signed by the issuing authority or by who it is told."""

    def __init__(self, pki: Pki) -> None:
        self.pki = pki
        self.status = GOOD
        self.begins, self.ends = timedelta(minutes=-1), timedelta(hours=1)
        self.signer: Authority | Identity = pki.issuing
        self.about: Identity | None = None
        self.raw: bytes | None = None
        self.http_status = 200
        self.gate: threading.Event | None = None
        self.asked = 0
        self.leaves: dict[int, Identity] = {}

    def answer(self, leaf: x509.Certificate) -> bytes:
        """An answer about a certificate."""
        now = datetime.now(UTC)
        revoked = self.status is REVOKED
        signer = self.signer
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=leaf,
            issuer=self.pki.issuing.certificate,
            algorithm=hashes.SHA1(),
            cert_status=self.status,
            this_update=now + self.begins,
            next_update=now + self.ends,
            revocation_time=now - DAY if revoked else None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
        if isinstance(signer, Identity):
            builder = builder.certificates([signer.certificate])
        key = signer.key if isinstance(signer, Identity) else signer._key
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        self.asked += 1
        if self.gate is not None:
            await asyncio.to_thread(self.gate.wait, 10)
        serial = ocsp.load_der_ocsp_request(body).serial_number
        about = self.about or self.leaves[serial]
        data = self.raw if self.raw is not None else self.answer(about.certificate)
        await send({"type": "http.response.start", "status": self.http_status, "headers": []})
        await send({"type": "http.response.body", "body": data})


class Place:
    """A hierarchy with a responder, and peers that name it."""

    def __init__(self, folder: Path, port: int, responder: Responder) -> None:
        self.pki, self.port, self.responder = responder.pki, port, responder
        self.folder = folder

    def leaf(self, *hosts: str) -> Identity:
        """A client certificate that names the responder."""
        address = x509.UniformResourceIdentifier(f"http://127.0.0.1:{self.port}/ocsp")
        access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)])
        made = self.pki.issuing.issue(*(hosts or (HOST,)), extra=[access])
        self.responder.leaves[made.certificate.serial_number] = made
        return made

    def check(self, mode: str, **changes: Any) -> PeerCheck:
        """The check of peers by these settings."""
        given = {"peer": "proxy", "trust": self.pki.trust, "crls": self.pki.crls, "ocsp": mode, **changes}
        return peer_check(TlsSettings.model_validate(given))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    responder = Responder(Pki(tmp_path))
    with serving(responder) as port:
        yield Place(tmp_path, port, responder)


def come(check: PeerCheck, leaf: Identity, times: int = 1) -> tuple[str, ...]:
    """The peer comes, so many times at once."""

    async def once() -> tuple[str, ...]:
        await check.consult(leaf.der)
        return check.client(leaf.der)

    async def together() -> tuple[str, ...]:
        return (await asyncio.gather(*(once() for _ in range(times))))[0]

    return asyncio.run(together())


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_tls_09_a_good_answer_is_asked_once(place: Place, mode: str) -> None:
    """TLS-09: twenty requests at once and more later are one question."""
    check, leaf = place.check(mode), place.leaf()
    assert come(check, leaf, times=20) == (HOST,)
    assert come(check, leaf) == (HOST,)
    assert place.responder.asked == 1


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_ct_74_revoked_by_ocsp_before_the_list_knows(place: Place, mode: str) -> None:
    """CT-74: the list of yesterday still calls it good."""
    place.responder.status = REVOKED
    with pytest.raises(CertificateRefused, match="revoked"):
        come(place.check(mode), place.leaf())


def test_ct_74_the_list_counts_beside_ocsp(place: Place) -> None:
    """CT-74: a good answer does not outweigh a list, nor the want of one."""
    leaf = place.leaf()
    place.pki.revoke(leaf)
    with pytest.raises(CertificateRefused, match="revoked"):
        come(place.check("hard"), leaf)
    (place.pki.crls / "issuing.crl").unlink()
    with pytest.raises(CertificateRefused, match="no revocation list"):
        come(place.check("hard"), place.leaf())


def test_ct_74_revoked_while_it_was_known_as_good(place: Place) -> None:
    """The answer is asked anew when its nextUpdate has passed; a revoked one then counts at once."""
    check, leaf = place.check("hard"), place.leaf()
    assert come(check, leaf) == (HOST,)
    place.responder.status = REVOKED
    assert come(check, leaf) == (HOST,), "in force for an hour"
    check._now = lambda: datetime.now(UTC) + timedelta(hours=1, minutes=1)
    place.responder.ends = timedelta(hours=3)
    with pytest.raises(CertificateRefused, match="revoked"):
        come(check, leaf)
    assert place.responder.asked == 2


def _delegate(pki: Pki, *, by: Authority | None = None, **changes: Any) -> Identity:
    return (by or pki.issuing).issue("ocsp.example", **{"usages": [ExtendedKeyUsageOID.OCSP_SIGNING], **changes})


def test_tls_09_a_delegated_responder(place: Place) -> None:
    """RFC 6960 4.2.2.2: a certificate that the issuer made for it."""
    place.responder.signer = _delegate(place.pki)
    assert come(place.check("hard"), place.leaf()) == (HOST,)


NO_ANSWER: dict[str, Any] = {
    "unknown": lambda r: setattr(r, "status", UNKNOWN),
    "out of force": lambda r: (setattr(r, "begins", -2 * DAY), setattr(r, "ends", -DAY)),
    "from the future": lambda r: (setattr(r, "begins", DAY), setattr(r, "ends", 2 * DAY)),
    "signed by a stranger": lambda r: setattr(r, "signer", r.pki.stranger),
    "signed by a delegate of a stranger": lambda r: setattr(r, "signer", _delegate(r.pki, by=r.pki.stranger)),
    "signed by a leaf that may not": lambda r: setattr(r, "signer", r.pki.issuing.issue("x.example")),
    "signed by an expired delegate": lambda r: setattr(r, "signer", _delegate(r.pki, begins=-9 * DAY, ends=-DAY)),
    "about another": lambda r: setattr(r, "about", r.pki.issuing.issue("other.example")),
    "rubbish": lambda r: setattr(r, "raw", b"<html>"),
    "nothing": lambda r: setattr(r, "raw", b""),
    "too large": lambda r: setattr(r, "raw", b"0" * 200_000),
    "try later": lambda r: setattr(r, "raw", _unsuccessful()),
    "500": lambda r: setattr(r, "http_status", 500),
}


def _unsuccessful() -> bytes:
    failed = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    return failed.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("case", NO_ANSWER)
def test_tls_09_no_answer_that_counts(place: Place, case: str, caplog: pytest.LogCaptureFixture) -> None:
    """TLS-09: hard refuses; soft leaves it to the list, which says good here. It is asked once, then let alone."""
    NO_ANSWER[case](place.responder)
    leaf = place.leaf()
    with caplog.at_level(logging.WARNING), pytest.raises(CertificateRefused, match="no OCSP answer in force"):
        come(place.check("hard"), leaf)
    soft = place.check("soft")
    before = place.responder.asked
    assert come(soft, leaf) == (HOST,)
    assert come(soft, leaf) == (HOST,)
    assert place.responder.asked == before + 1
    assert case == "unknown" or "OCSP gave no answer" in caplog.text


def test_tls_09_a_responder_that_hangs_costs_one_wait(place: Place) -> None:
    """Every wait has an end; the next request of the same peer does not wait again."""
    place.responder.gate = threading.Event()
    check, leaf = place.check("soft", ocsp_seconds=0.3), place.leaf()
    try:
        assert come(check, leaf, times=5) == (HOST,)
        assert come(check, leaf) == (HOST,)
        assert place.responder.asked == 1
    finally:
        place.responder.gate.set()


def test_tls_09_who_names_no_responder(place: Place) -> None:
    """Hard means hard."""
    leaf = place.pki.issuing.issue(HOST)
    assert come(place.check("soft"), leaf) == (HOST,)
    with pytest.raises(CertificateRefused, match="no OCSP answer"):
        come(place.check("hard"), leaf)


def test_tls_09_strangers_make_us_ask_nobody(place: Place) -> None:
    """A certificate that no authority of ours signed cannot send us anywhere."""
    address = x509.UniformResourceIdentifier(f"http://127.0.0.1:{place.port}/ocsp")
    access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)])
    twin = Authority("Fictieve TSP Private Services CA", Authority("Fictieve Private Root"))
    for authority in (place.pki.stranger, twin):
        with pytest.raises(CertificateRefused, match="no good chain"):
            come(place.check("hard"), authority.issue(HOST, extra=[access]))
    for der in (b"", b"rubbish", b"0" * 20_000):
        check = place.check("hard")
        asyncio.run(check.consult(der))
        with pytest.raises(CertificateRefused):
            check.client(der)
    assert place.responder.asked == 0


def test_tls_09_an_answer_without_an_end(place: Place) -> None:
    """RFC 6960 2.4: no nextUpdate means that newer ones are always there: five minutes, then again."""
    leaf, issuer, now = place.leaf().certificate, place.pki.issuing, datetime.now(UTC)
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer.certificate, hashes.SHA1()).build()

    def made(begins: datetime) -> bytes:
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=leaf, issuer=issuer.certificate, algorithm=hashes.SHA1(), cert_status=GOOD, this_update=begins,
            next_update=None, revocation_time=None, revocation_reason=None,
        ).responder_id(ocsp.OCSPResponderEncoding.NAME, issuer.certificate)  # fmt: skip
        return builder.sign(issuer._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    assert read(made(now), request, issuer.certificate, now).status is GOOD
    with pytest.raises(OcspRefused, match="not in force"):
        read(made(now - timedelta(minutes=10)), request, issuer.certificate, now)


def test_ct_74_the_gate_asks_before_it_opens(place: Place) -> None:
    """CT-74, TLS-13: at the door itself: in with a good answer, 403 and an event once the responder says revoked."""
    pki, header = place.pki, "x-gateway-client-certificate"
    settings = TlsSettings(peer="proxy", trust=pki.trust, crls=pki.crls, ocsp="hard", proxies=("127.0.0.1",))
    world = World(settings)

    with serving(world.app) as port:

        def knock(leaf: Identity) -> int:
            return httpx.get(f"http://127.0.0.1:{port}/oauth/token", headers={header: leaf.header}).status_code

        assert knock(place.leaf(PGO)) == 200
        place.responder.status = REVOKED
        assert knock(place.leaf(PGO)) == 403
    assert [reason for _, reason, _ in world.refused] == ["the certificate: revoked (OCSP)"]
