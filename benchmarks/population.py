"""A hospital's population for measuring: invented persons with BgZ records, the same for the same seed.

    python -m benchmarks.population FOLDER [--persons N] [--seed N]     writes NDJSON, a file per resource type

The shape of each resource comes from the demo world (valid zib2017 resources); ids, persons, dates and numbers of copies
are drawn per person. The tails are long, as in a hospital: most have some ten resources, some have 20 of a type, and one
in 250 has 2,000 laboratory results. A person does not depend on the others: number 7 is the same in every population of a
seed. Nobody here exists; BSNs start with 999, and where those run out a patient has none, as a visitor from abroad.
"""

import argparse
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, cached_property
from itertools import islice, product
from pathlib import Path
from typing import Any

from auth.crypto import valid_bsn
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource, local_reference, references
from workbench.demo.world import load

PROVIDER, SOURCE = "ziekenhuiszandoord", "epd"
MODEL = "joke"
"""The person of the demo world whose record has every kind of resource."""
DAY = date(2026, 6, 1)
LABORATORY = "275711006"
MOST_RESULTS = 2_000
ALWAYS = frozenset({"Patient", "Coverage"})
LEFT_OUT = frozenset({"Binary", "DocumentReference", "DocumentManifest"})
PER_STAFF = 400
"""Persons per set of practitioners, organizations and products."""

_BSN = "999951750"
_SLOT = re.compile(rb"Qp(\d{3})Q|(QpersonQ)|(QstaffQ)|(999951750)|\b(20\d\d-\d\d-\d\d)")


class Template:
    """Bytes with places that differ per copy: ids, the person, the set of staff, the BSN, and dates."""

    __slots__ = ("_dates", "_parts", "_slots")

    def __init__(self, content: bytes) -> None:
        self._parts: list[bytes] = []
        self._slots: list[int] = []
        self._dates: list[date] = []
        at = 0
        for found in _SLOT.finditer(content):
            self._parts.append(content[at : found.start()])
            at = found.end()
            if found[1]:
                self._slots.append(int(found[1]))
            elif found[5]:
                self._slots.append(-10 - len(self._dates))
                self._dates.append(date.fromisoformat(found[5].decode()))
            else:
                self._slots.append(-1 if found[2] else -2 if found[3] else -3)
        self._parts.append(content[at:])

    def fill(self, one: "Somebody", copy: int, days: int) -> bytes:
        """The bytes of the ``copy``-th of this template in a person's record, ``days`` earlier than the model's."""
        back = timedelta(days=days)
        made: list[bytes] = []
        for part, slot in zip(self._parts, self._slots, strict=False):
            made.append(part)
            if slot >= 0:
                made.append(b"%d" % min(copy, one.copies.get(slot, 1) - 1))
            elif slot <= -10:
                made.append((self._dates[-10 - slot] - back).isoformat().encode())
            else:
                made.append(one.fixed[slot])
        made.append(self._parts[-1])
        return b"".join(made)


@dataclass(frozen=True)
class Model:
    """The resources with their places marked: those of a person by number, and those of the staff."""

    own: tuple[Resource, ...]
    staff: tuple[Resource, ...]
    needs: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """By number of an own resource: the numbers of those that it points at."""

    def is_result(self, number: int) -> bool:
        """Whether a resource is a laboratory result."""
        coded = self.own[number].get("category") or []
        return self.own[number]["resourceType"] == "Observation" and LABORATORY in str(coded)


@cache
def model() -> Model:
    """The model, from the demo world."""
    world = load(DAY)
    record = world.record(PROVIDER, MODEL)
    if record is None:
        raise RuntimeError("the demo world has no model person")
    own = [one for one in record.resources if one["resourceType"] not in LEFT_OUT]
    own.sort(key=lambda one: one["resourceType"] != "Patient")
    names = {(one["resourceType"], one["id"]): number for number, one in enumerate(own)}
    staff = {(one["resourceType"], one["id"]) for one in record.pointed_at}
    needs = {
        number: frozenset(
            names[key]
            for reference in references(one)
            if (key := local_reference(reference["reference"])) in names and names[key] not in (0, number)
        )
        for number, one in enumerate(own)
    }

    def marked(node: Any) -> Any:
        if isinstance(node, dict):
            made = {name: marked(value) for name, value in node.items()}
            key = local_reference(text) if isinstance(text := node.get("reference"), str) else None
            if key in names or key in staff:
                made["reference"] = f"{key[0]}/{_id(key)}"
            return made
        if isinstance(node, list):
            return [marked(value) for value in node]
        return node.replace("Joke van Veldhuizen - Brandsma", "Proefpersoon") if isinstance(node, str) else node

    def _id(key: tuple[str, str]) -> str:
        if key in staff:
            return f"{key[1][:40]}-QstaffQ"
        if names[key] == 0:
            return "pQpersonQ"
        return f"pQpersonQ-{key[1].removeprefix('joke-')[:36]}-Qp{names[key]:03}Q"

    def whole(one: Resource) -> Resource:
        made: Resource = marked(one)
        made["id"] = _id((one["resourceType"], one["id"]))
        for identifier in made.get("identifier", ()):
            if isinstance(identifier, dict) and identifier.get("value") == one["id"]:
                identifier["value"] = made["id"]
        return made

    return Model(tuple(map(whole, own)), tuple(map(whole, record.pointed_at)), needs)


@cache
def bsns() -> tuple[str, ...]:
    """Every BSN that starts with 999."""
    return tuple(text for last in product("0123456789", repeat=6) if valid_bsn(text := "999" + "".join(last)))


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person: ``copies`` says how often the record has each own resource of the model."""

    number: int
    bsn: str | None
    copies: Mapping[int, int]
    age: int
    """Days by which this record is older than the model's."""
    fixed: Mapping[int, bytes]

    @property
    def patient(self) -> str:
        """The id of the Patient."""
        return f"p{self.number}"

    def days(self, number: int, copy: int) -> int:
        """How much earlier than the model's a copy is."""
        return 0 if number == 0 else self.age + copy * (9 + number % 5)


@dataclass(frozen=True)
class Population:
    """So many persons of a seed. ``fullness`` scales how much each has."""

    persons: int
    seed: int = 1
    fullness: float = 1.0

    def person(self, number: int) -> Somebody:
        """One person."""
        draw = random.Random(f"{self.seed}/{number}")
        found = model()
        results = self._results(draw)
        copies: dict[int, int] = {}
        for index, one in enumerate(found.own):
            if one["resourceType"] in ALWAYS:
                copies[index] = 1
            elif found.is_result(index):
                copies[index] = results
            else:
                copies[index] = self._some(draw)
        kept = {index: count for index, count in copies.items() if count}
        todo = list(kept)
        while todo:
            index = todo.pop()
            for other in found.needs[index]:
                if other not in kept:
                    kept[other] = max(1, kept[index] // 4)
                    todo.append(other)
        bsn = bsns()[number] if number < len(bsns()) else None
        fixed = {
            -1: b"%d" % number,
            -2: b"%d" % (number // PER_STAFF),
            -3: (bsn or f"buitenland-{number}").encode(),
        }
        return Somebody(number, bsn, kept, draw.randrange(700), fixed)

    def people(self) -> Iterator[Somebody]:
        """Everybody, one by one."""
        return map(self.person, range(self.persons))

    @property
    def sets_of_staff(self) -> range:
        """The numbers of the sets of staff."""
        return range((self.persons - 1) // PER_STAFF + 1)

    def _some(self, draw: random.Random) -> int:
        chance = draw.random()
        if chance > self.fullness * 0.35:
            return 0
        return 20 if chance < 0.004 else 1 + min(12, int(draw.expovariate(1.2)))

    def _results(self, draw: random.Random) -> int:
        """Copies of each result of the model."""
        kinds = sum(model().is_result(index) for index in range(len(model().own)))
        chance = draw.random()
        if chance < 0.004:
            return MOST_RESULTS // kinds
        if chance > self.fullness * 0.7:
            return 0
        return 1 + min(60, int(draw.paretovariate(1.3) / 2))


class Copies:
    """The resources of a population as bytes, made from templates that were filled in once."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self._types = [str(one["resourceType"]) for one in model().own]

    @cached_property
    def _own(self) -> list[Template]:
        return [Template(jsonio.dump(one)) for one in model().own]

    @cached_property
    def _staff(self) -> list[tuple[str, Template]]:
        return [(one["resourceType"], Template(jsonio.dump(one))) for one in model().staff]

    def of_person(self, one: Somebody) -> Iterator[tuple[str, bytes]]:
        """Type and JSON of everything in a record, the Patient first."""
        for number, count in sorted(one.copies.items()):
            for copy in range(count):
                body = self._own[number].fill(one, copy, one.days(number, copy))
                if number == 0 and one.bsn is None:
                    body = without_bsn(body)
                yield self._types[number], body

    def of_staff(self, number: int) -> Iterator[tuple[str, bytes]]:
        """Type and JSON of a set of staff."""
        nobody = Somebody(0, None, {}, 0, {-1: b"", -2: b"%d" % number, -3: b""})
        for type_, template in self._staff:
            yield type_, template.fill(nobody, 0, 0)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Everything: what records point at first."""
        for number in self.population.sets_of_staff:
            yield from self.of_staff(number)
        for one in self.population.people():
            yield from self.of_person(one)


def without_bsn(body: bytes) -> bytes:
    """A Patient whose number is not a BSN."""
    return body.replace(b"http://fhir.nl/fhir/NamingSystem/bsn", b"urn:oid:2.16.840.1.113883.2.4.3.11.999.77.9")


def transaction(resources: Iterable[bytes]) -> bytes:
    """A transaction Bundle that puts these resources."""
    entries = []
    for body in resources:
        one = jsonio.load(body)
        url = f"{one['resourceType']}/{one['id']}"
        entries.append(b'{"resource":%b,"request":{"method":"PUT","url":"%b"}}' % (body, url.encode()))
    return b'{"resourceType":"Bundle","type":"transaction","entry":[%b]}' % b",".join(entries)


def write_ndjson(population: Population, folder: Path) -> int:
    """Write NDJSON files, one per type; how many resources."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Any] = {}
    count = 0
    try:
        for type_, body in Copies(population):
            if type_ not in files:
                files[type_] = (folder / f"{type_}.ndjson").open("wb")
            files[type_].write(body + b"\n")
            count += 1
    finally:
        for file in files.values():
            file.close()
    return count


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--persons", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    population = Population(asked.persons, asked.seed)
    count = write_ndjson(population, asked.folder)
    sizes = sorted(sum(one.copies.values()) for one in islice(population.people(), 1_000))
    print(f"{count} resources of {asked.persons} persons (median {sizes[len(sizes) // 2]}, most {sizes[-1]})")


if __name__ == "__main__":
    main()
