"""The Patient in what is sent: it says who the client thinks it sends for, and never changes who the provider knows.

What is told of a difference is that there is one: values of the record are not given to who only guesses.
"""

import unicodedata
from collections.abc import Iterator
from typing import Any

from gateway.problems import Problem
from gateway.share.findings import finding
from gateway.share.parcel import Item
from gateway.share.sharer import Sharer
from profiles.fhir.tree import Resource
from profiles.record.bsn import bsns, plain_bsn, valid_bsn


def compare(item: Item, sharer: Sharer) -> None:
    """Hold a Patient entry against the person of the token. Raises Problem 422 when it is somebody else."""
    numbers = {plain for number in bsns(item.resource) if valid_bsn(plain := plain_bsn(number))}
    if numbers - {sharer.bsn}:
        text = "The Patient has the citizen service number of somebody else than the person who logged in."
        raise Problem(422, "business-rule", text, expression=f"{item.place}.resource.identifier")
    for name in ("birthDate", "gender"):
        given, known = item.resource.get(name), sharer.patient.get(name)
        if isinstance(given, str) and isinstance(known, str) and given != known:
            if name == "birthDate":
                text = "The birth date is not that of the person who logged in."
                raise Problem(422, "business-rule", text, expression=f"{item.place}.resource.birthDate")
            item.findings.append(found("person-differs", f"Patient.{name}"))
    known_names = set(_families(sharer.patient))
    if known_names and (given_names := set(_families(item.resource))) and not given_names & known_names:
        item.findings.append(found("person-differs", "Patient.name.family"))


def _families(patient: Resource) -> Iterator[str]:
    names: Any = patient.get("name")
    for name in names if isinstance(names, list) else []:
        family = name.get("family") if isinstance(name, dict) else None
        if isinstance(family, str) and family.strip():
            yield unicodedata.normalize("NFKC", family).casefold().strip()
