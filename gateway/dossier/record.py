"""A whole dossier: the summary, a part per data service, what each answer shows, and what is missing, said once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from gateway.dossier.answer import DossierAnswer
from gateway.dossier.moments import in_order
from gateway.dossier.readings import Trend, trends
from gateway.dossier.speech import said
from gateway.dossier.summary import Summary, summary_of
from gateway.dossier.tables import Origins, RowVerdict, Table, once, tables
from gateway.dossier.twice import told_once
from gateway.dossier.validity import check
from gateway.dossier.words import text_of
from profiles.fhir.tree import Resource


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """The resources of one pregnancy; without a name when there is nothing to keep apart."""

    name: str
    tables: tuple[Table, ...]
    trends: tuple[Trend, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as a page shows it."""

    answer: DossierAnswer
    groups: tuple[ShownGroup, ...]
    count: int

    @property
    def judged(self) -> list[tuple[str, RowVerdict]]:
        """The title and the verdict of every row: for professionals."""
        return [(row.title, row.verdict) for group in self.groups for table in group.tables for row in table.rows]

    @property
    def brief(self) -> str:
        """The first few titles, for who has not opened it."""
        titles = list(dict.fromkeys(title for title, _ in self.judged))
        first = ", ".join(titles[:3])
        return said("and_more", names=first, count=len(titles) - 3) if len(titles) > 3 else first

    @property
    def wrong(self) -> int:
        """How many of them have mistakes."""
        return sum(verdict.kind == "wrong" for _, verdict in self.judged)

    @property
    def partly(self) -> bool:
        """Whether not everything could be checked."""
        return any(verdict.kind == "partly" for _, verdict in self.judged)


@dataclass(frozen=True, slots=True)
class MissingSaid:
    """One reason why something is missing, and what it is that misses."""

    problem: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DossierPart:
    """The answers of one data service."""

    id: str
    name: str
    full: tuple[Shown, ...]
    empty: tuple[DossierAnswer, ...]
    missing: tuple[MissingSaid, ...]

    @property
    def count(self) -> int:
        """How many things are in it."""
        return sum(shown.count for shown in self.full)


@dataclass(frozen=True, slots=True)
class Dossier:
    """What a person reads."""

    person: str
    summary: Summary
    parts: tuple[DossierPart, ...]
    missing: tuple[MissingSaid, ...]
    """Of all parts together, each reason once."""

    def part(self, id_: str) -> DossierPart | None:
        """The part of a data service."""
        return next((one for one in self.parts if one.id == id_), None)


def dossier_of(answers: Sequence[DossierAnswer], today: date) -> Dossier:
    """The dossier of everything that was asked and came."""
    answers, origins = told_once(answers)
    by_service: dict[str, list[DossierAnswer]] = {}
    for answer in answers:
        by_service.setdefault(answer.service, []).append(answer)
    parts = tuple(_part(id_, found, today, origins) for id_, found in by_service.items())
    return Dossier(person_of(answers), summary_of(answers, today), parts, missing_of(answers))


def person_of(answers: Iterable[DossierAnswer]) -> str:
    """The name of the patient; empty when no Patient came."""
    patients = (one for answer in answers for one in answer.matches if one["resourceType"] == "Patient")
    return next((text_of(name, {}) for patient in patients for name in patient.get("name", [])[:1]), "")


def missing_of(answers: Iterable[DossierAnswer]) -> tuple[MissingSaid, ...]:
    """Each reason once, with everything that misses for it."""
    by_problem: dict[str, dict[str, None]] = {}
    for answer in answers:
        for problem in answer.problems:
            by_problem.setdefault(problem, {})[answer.name] = None
    return tuple(MissingSaid(problem, tuple(names)) for problem, names in by_problem.items())


def _part(id_: str, answers: Sequence[DossierAnswer], today: date, origins: Origins) -> DossierPart:
    pregnancies = dict(_pregnancies(answers))
    episodes = _episodes_of(answers)
    return DossierPart(
        id_,
        answers[0].service_name,
        tuple(_shown(one, pregnancies, episodes, today, origins) for one in answers if one.matches),
        tuple(one for one in answers if not one.matches and not one.problems),
        missing_of(answers),
    )


def _shown(
    answer: DossierAnswer,
    pregnancies: dict[str, str],
    episodes: Callable[[Resource], list[str]],
    today: date,
    origins: Origins,
) -> Shown:
    resources = in_order(once(answer.resources), today)

    def verdict(resource: Resource) -> RowVerdict:
        return check(answer.version, resource)

    def group(name: str, mine: list[Resource]) -> ShownGroup:
        return ShownGroup(name, tuple(tables(mine, verdict, origins)), tuple(trends(mine)))

    if len(pregnancies) < 2 or not any(map(episodes, resources)):
        return Shown(answer, (group("", resources),), len(resources))
    general = said("no_pregnancy")
    of_each: dict[str, list[Resource]] = {name: [] for name in [*pregnancies.values(), general]}
    for one in resources:
        # What names two pregnancies stands under both: under one of them it would be missed.
        names = [pregnancies[episode] for episode in episodes(one) if episode in pregnancies] or [general]
        for name in dict.fromkeys(names):
            of_each[name].append(one)
    return Shown(answer, tuple(group(name, mine) for name, mine in of_each.items() if mine), len(resources))


def _pregnancies(answers: Iterable[DossierAnswer]) -> Iterator[tuple[str, str]]:
    """The records of pregnancies among the answers, the newest first: reference and name."""
    pregnancies = [
        episode
        for answer in answers
        for episode in answer.resources
        if episode["resourceType"] == "EpisodeOfCare"
        and any(str(url).endswith("/bc-MaternalRecord") for url in episode.get("meta", {}).get("profile", []))
    ]
    pregnancies.sort(key=lambda episode: str(episode.get("period", {}).get("start", "")), reverse=True)
    for place, episode in enumerate(pregnancies):
        number = said("number", number=len(pregnancies) - place)
        since = text_of(episode["period"], {}) if episode.get("period") else number
        yield f"EpisodeOfCare/{episode.get('id')}", said("pregnancy", when=since)


def _episodes_of(answers: Iterable[DossierAnswer]) -> Callable[[Resource], list[str]]:
    """How to find the episodes of a resource: those that it names, or that the contact names where it was made."""
    contacts = {
        f"Encounter/{encounter.get('id')}": _named(encounter, "EpisodeOfCare")
        for answer in answers
        for encounter in (*answer.matches, *answer.included)
        if encounter["resourceType"] == "Encounter"
    }

    def episodes(resource: Resource) -> list[str]:
        if resource["resourceType"] == "EpisodeOfCare":
            return [f"EpisodeOfCare/{resource.get('id')}"]
        own = _named(resource, "EpisodeOfCare")
        return own or [name for contact in _named(resource, "Encounter") for name in contacts.get(contact, [])]

    return episodes


def _named(resource: Resource, type_: str) -> list[str]:
    given = [resource.get("context"), resource.get("encounter"), *(resource.get("episodeOfCare") or [])]
    refs = [str(one.get("reference", "")) for one in given if isinstance(one, dict)]
    return [one for ref in refs if (one := "/".join(ref.rsplit("/", 2)[-2:])).startswith(f"{type_}/")]
