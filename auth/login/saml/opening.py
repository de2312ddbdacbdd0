"""Opens what a bridge encrypted for us (XML Encryption 1.1): a number in an EncryptedID, or a whole assertion.

Only ever called on what the bridge signed and we verified, except for a whole assertion, whose signature is inside:
then every fault is the same refusal, so that nobody learns from it.
"""

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm
from lxml import etree

from auth.login.saml.reading import SIGNATURE, NotReadable, only, parsed, text

ENCRYPTION = "{http://www.w3.org/2001/04/xmlenc#}"
ENCRYPTION11 = "{http://www.w3.org/2009/xmlenc11#}"


@dataclass(frozen=True, slots=True)
class BlockCipher:
    """One algorithm of the content."""

    key_bytes: int
    authenticated: bool


CIPHERS = {
    "http://www.w3.org/2009/xmlenc11#aes128-gcm": BlockCipher(16, authenticated=True),
    "http://www.w3.org/2009/xmlenc11#aes256-gcm": BlockCipher(32, authenticated=True),
    "http://www.w3.org/2001/04/xmlenc#aes128-cbc": BlockCipher(16, authenticated=False),
    "http://www.w3.org/2001/04/xmlenc#aes256-cbc": BlockCipher(32, authenticated=False),
}
"""CBC says nothing about changes: it is taken where a signature around it does, never for a whole assertion."""
TRANSPORTS = {"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", "http://www.w3.org/2009/xmlenc11#rsa-oaep"}
DIGESTS: dict[str, type[HashAlgorithm]] = {
    "http://www.w3.org/2000/09/xmldsig#sha1": SHA1,
    "http://www.w3.org/2001/04/xmlenc#sha256": SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": SHA384,
    "http://www.w3.org/2001/04/xmlenc#sha512": SHA512,
}
MASKS: dict[str, type[HashAlgorithm]] = {
    "http://www.w3.org/2009/xmlenc11#mgf1sha1": SHA1,
    "http://www.w3.org/2009/xmlenc11#mgf1sha256": SHA256,
    "http://www.w3.org/2009/xmlenc11#mgf1sha384": SHA384,
    "http://www.w3.org/2009/xmlenc11#mgf1sha512": SHA512,
}


def opened(encrypted: etree._Element, key: RSAPrivateKey, *, authenticated: bool) -> etree._Element:
    """The element inside an EncryptedID or EncryptedAssertion; `authenticated` takes GCM only. Raises NotReadable.

    The keys for several readers may stand in the data or beside them; the one that opens is ours.
    """
    data = only(encrypted, ENCRYPTION + "EncryptedData")
    if data is None:
        raise NotReadable("no encrypted data")
    cipher = CIPHERS.get(_algorithm(data, ENCRYPTION + "EncryptionMethod"))
    if cipher is None or (authenticated and not cipher.authenticated):
        raise NotReadable("an algorithm that is not taken")
    for wrapped in encrypted.iter(ENCRYPTION + "EncryptedKey"):
        try:
            return _inside(_content(data, _key(wrapped, key, cipher), cipher), encrypted)
        except Exception:  # noqa: S112 - a key of another reader, or damage: whichever it is, it is one answer
            continue
    raise NotReadable("cannot be opened")


def _inside(plain: bytes, encrypted: etree._Element) -> etree._Element:
    """The one element in the text, read where it stood: its prefixes may be declared around it (xmlenc 4.4)."""
    around: etree._Element = etree.Element("opened", nsmap=encrypted.nsmap)  # type: ignore[arg-type]
    start, end = etree.tostring(around).removesuffix(b"/>") + b">", b"</opened>"
    inside = list(parsed(start + plain + end))
    if len(inside) != 1:
        raise NotReadable("not one element")
    return inside[0]


def _key(wrapped: etree._Element, key: RSAPrivateKey, cipher: BlockCipher) -> bytes:
    method = only(wrapped, ENCRYPTION + "EncryptionMethod")
    if method is None or method.get("Algorithm") not in TRANSPORTS:
        raise NotReadable("a key transport that is not taken")
    digest = DIGESTS[_algorithm(method, SIGNATURE + "DigestMethod") or next(iter(DIGESTS))]
    mask = MASKS[_algorithm(method, ENCRYPTION11 + "MGF") or next(iter(MASKS))]
    found = key.decrypt(_bytes(wrapped), padding.OAEP(padding.MGF1(mask()), digest(), label=None))
    if len(found) != cipher.key_bytes:
        raise NotReadable("a key of another length")
    return found


def _content(data: etree._Element, key: bytes, cipher: BlockCipher) -> bytes:
    raw = _bytes(data)
    if cipher.authenticated:
        return AESGCM(key).decrypt(raw[:12], raw[12:], None)
    decryptor = Cipher(AES(key), CBC(raw[:16])).decryptor()
    plain = decryptor.update(raw[16:]) + decryptor.finalize()
    if not 1 <= plain[-1] <= 16:
        raise NotReadable("padding")
    return plain[: -plain[-1]]


def _bytes(element: etree._Element) -> bytes:
    return base64.b64decode(text(only(element, ENCRYPTION + "CipherData", ENCRYPTION + "CipherValue")) or "")


def _algorithm(element: etree._Element, name: str) -> str:
    found = only(element, name)
    return "" if found is None else found.get("Algorithm", "")
