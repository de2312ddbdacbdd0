"""The keys of this gateway, ready for use."""

from auth.crypto import KeyRing, Pseudonyms
from gateway.settings import Settings, authorization


def keys_of(settings: Settings) -> tuple[Pseudonyms, KeyRing]:
    """The pseudonyms and the key ring that the settings describe; in test mode fixed public keys stand in."""
    section = authorization(settings)
    return Pseudonyms(section.pseudonym_bytes()), KeyRing(*section.seal_ring())
