"""The citizen service number (BSN) in a resource: where it stands, and which numbers can be one.

``auth`` has an eleven test of its own (:func:`auth.crypto.valid_bsn`): it may import nothing of ours, so that it can be
reviewed and deployed alone. A test holds the two equal.
"""

from collections.abc import Iterator

from profiles.fhir.tree import Resource

BSN_SYSTEM = "http://fhir.nl/fhir/NamingSystem/bsn"
"""The identifier system of the BSN in FHIR (STU3 and R4)."""

BSN_SYSTEMS = frozenset({BSN_SYSTEM, "urn:oid:2.16.840.1.113883.2.4.6.3"})
"""The same with the OID, which older systems write."""

WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)


def valid_bsn(text: str) -> bool:
    """True for nine digits that pass the eleven test."""
    if len(text) != 9 or not text.isascii() or not text.isdigit() or text == "000000000":
        return False
    return sum(weight * int(figure) for weight, figure in zip(WEIGHTS, text, strict=True)) % 11 == 0


def bsns(patient: Resource) -> Iterator[str]:
    """The BSNs among the identifiers of a resource, as they were written, right or wrong."""
    identifiers = patient.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else ():
        if isinstance(identifier, dict) and identifier.get("system") in BSN_SYSTEMS:
            value = identifier.get("value")
            if isinstance(value, str):
                yield value


def find_bsn(patient: Resource) -> str | None:
    """The BSN among a Patient's own identifiers, or None when there is none in plain."""
    return next((value for value in bsns(patient) if valid_bsn(value)), None)
