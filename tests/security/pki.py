"""A public key infrastructure made in the test: root, intermediate, leaves, revocation lists.

It has the shape of the private PKIoverheid hierarchy: a self-signed root, an issuing authority below it, and leaves
with a DNS name, an organisation, key usage and extended key usage. Everything about a leaf can be made wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key and the certificates between it and the root."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (self.certificate, *self.chain))

    @property
    def header(self) -> str:
        """The certificate as nginx puts it into a header: PEM, URL-encoded."""
        return quote(pem(self.certificate).decode())

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Certificate with chain, and key, as two PEM files."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.pem)
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key.chmod(0o600)
        return certificate, key


class Authority:
    """A certification authority; without a parent, a root."""

    def __init__(self, name: str, parent: "Authority | None" = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._parent = parent
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = parent or self
        self.certificate = (
            _builder(self._subject, issuer._subject, self._key, issuer._key, -10 * DAY, 3000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(signing_certificates=True), critical=True)
            .sign(issuer._key, hashes.SHA256())
        )

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """This authority and those above it, without the root."""
        return (self.certificate, *self._parent.chain) if self._parent else ()

    def issue(
        self,
        *hosts: str,
        usages: Sequence[x509.ObjectIdentifier] = (CLIENT, SERVER),
        signature: bool = True,
        begins: timedelta = -DAY,
        ends: timedelta = 300 * DAY,
        organisation: str | None = "Fictief Ziekenhuis",
        extra: Sequence[x509.ExtensionType] = (),
        rsa_key: bool = False,
    ) -> Identity:
        """A leaf for these host names."""
        key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, hosts[0] if hosts else "nobody")]
        if organisation is not None:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
        builder = _builder(x509.Name(attributes), self._subject, key, self._key, begins, ends)
        builder = builder.add_extension(_key_usage(signature=signature), critical=True)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        for extension in extra:
            builder = builder.add_extension(extension, critical=False)
        return Identity(builder.sign(self._key, hashes.SHA256()), key, self.chain)

    def revocation_list(
        self,
        *revoked: Identity,
        begins: timedelta = -DAY,
        ends: timedelta = DAY,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        signer: "Authority | None" = None,
    ) -> bytes:
        """A revocation list in PEM; `signer` signs in this authority's name."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._subject)
            .last_update(now + begins)
            .next_update(now + ends)
        )
        for identity in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(identity.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now - timedelta(hours=1)).build())
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signed = builder.sign((signer or self)._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


class Pki:
    """Root and issuing authority with files for both ends, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = Authority("Fictieve Private Root")
        self.issuing = Authority("Fictieve TSP Private Services CA", self.root)
        self.stranger = Authority("Vreemde CA")
        self.trust = folder / "trust.pem"
        self.trust.write_bytes(pem(self.root.certificate) + pem(self.issuing.certificate))
        self.crls = folder / "crls"
        self.crls.mkdir()
        self.revoke()

    def revoke(self, *revoked: Identity) -> None:
        """Write new revocation lists of both authorities, with these leaves revoked."""
        (self.crls / "root.crl").write_bytes(self.root.revocation_list())
        (self.crls / "issuing.crl").write_bytes(self.issuing.revocation_list(*revoked))


def pem(certificate: x509.Certificate) -> bytes:
    """One certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    begins: timedelta,
    ends: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _key_usage(*, signature: bool = False, signing_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signature,
        content_commitment=False,
        key_encipherment=not signing_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signing_certificates,
        crl_sign=signing_certificates,
        encipher_only=False,
        decipher_only=False,
    )
