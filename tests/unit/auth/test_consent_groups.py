"""Services as lines of the consent page: a kind stands once, and opens."""

from auth.pages.contexts import ConsentService, grouped
from profiles.standards.load import catalogue


def service(name: str, *parts: tuple[str, int], since: str | None = None) -> ConsentService:
    return ConsentService(name, parts, since)


def test_a_kind_is_one_line_where_its_first_service_stands() -> None:
    lines = grouped(
        [
            (None, service("Basisgegevens")),
            ("measurements", service("Bloeddruk", ("Bloeddruk", 3), since="2020")),
            (None, service("Documenten")),
            ("measurements", service("Lengte", ("Lengte", 1))),
        ]
    )
    assert [line.title for line in lines] == [None, "groups.measurements", None]
    assert [one.name for one in lines[1].services] == ["Bloeddruk", "Lengte"]


def test_one_service_of_a_kind_stands_by_itself() -> None:
    (line,) = grouped([("measurements", service("Bloeddruk"))])
    assert line.title is None


def test_the_same_building_block_in_two_releases_is_one_for_a_person() -> None:
    first = service("Betaler", ("Verzekering", 2), since="2021")
    (line,) = grouped([("person", first), ("person", service("Betaler", ("Verzekering", 1), since="2019"))])
    assert line.services == (ConsentService("Betaler", (("Verzekering", 3),), "2019"),)
    unknown = service("Betaler", ("Verzekering", 0))
    assert first.with_more(unknown).count == 0, "of a source that cannot be counted no number is told"


def test_twenty_four_services_are_four_lines() -> None:
    every = [
        (one.group, service(one.name)) for made in catalogue().standards.values() for one in made.services if one.group
    ]
    assert len(every) == 24
    lines = grouped(every)
    assert len(lines) == 4
    assert all(line.title for line in lines)
