"""What each information standard asks: facts of our own in ``agreed_requests.toml``, apart from the gateway's rows."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PREFIXES = {
    "N:": "http://nictiz.nl/fhir/StructureDefinition/",
    "M:": "http://medmij.nl/fhir/StructureDefinition/",
    "F:": "http://fhir.nl/fhir/StructureDefinition/",
}


@dataclass(frozen=True)
class AgreedRequest:
    """One request: what must be asked, what may be, and the profiles of the answer and of what comes along."""

    usecase: str
    id: str
    method: str
    path: str
    must: tuple[str, ...]
    may: tuple[str, ...]
    profiles: tuple[str, ...]
    along: Mapping[str, frozenset[str]]
    leads: Mapping[str, frozenset[str]]
    """What a match may point at, and is readable then."""


@dataclass(frozen=True)
class AgreedStandard:
    """The facts of one information standard."""

    id: str
    title: str
    ring: Any
    capability: str | None
    fhir: str
    services: frozenset[str]
    roles: frozenset[str]
    packages: Mapping[str, str]
    uses: Mapping[str, tuple[str, ...]]
    requests: tuple[AgreedRequest, ...]

    def profiles(self) -> set[str]:
        """Every profile that the standard names."""
        return {
            url
            for one in self.requests
            for url in (*one.profiles, *(url for urls in one.along.values() for url in urls))
        }


@cache
def agreed() -> Mapping[str, AgreedStandard]:
    """The table, by the id of the standard."""
    rows = tomllib.loads(Path(__file__).with_name("agreed_requests.toml").read_text("utf-8"))
    return {
        id_: AgreedStandard(
            id_,
            row["title"],
            row["ring"],
            row.get("capability"),
            row["fhir"],
            frozenset(row["services"]),
            frozenset(row["roles"]),
            row["packages"],
            {name: tuple(rows) for name, rows in row.get("uses", {}).items()},
            tuple(_requests(row.get("requests", {}))),
        )
        for id_, row in rows.items()
    }


def _requests(usecases: Mapping[str, Mapping[str, Any]]) -> Iterator[AgreedRequest]:
    for usecase, rows in usecases.items():
        for id_, row in rows.items():
            method, path = row["ask"].split(" ")
            along = {kind: frozenset(map(whole, urls)) for kind, urls in row.get("along", {}).items()}
            leads = {kind: frozenset(map(whole, urls)) for kind, urls in row.get("leads", {}).items()}
            wanted = (tuple(row.get("must", ())), tuple(row.get("may", ())))
            profiles = tuple(map(whole, row.get("profiles", ())))
            yield AgreedRequest(usecase, id_, method, path, *wanted, profiles, along, leads)


def whole(url: str) -> str:
    """A canonical URL without its short form."""
    return PREFIXES[url[:2]] + url[2:] if url[:2] in PREFIXES else url
