"""What is recorded of a person who looks at a study, image by image (NEN 7513, decision 17)."""

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.audit.record import SEEN, AuditRecord
from gateway.audit.trail import AuditUnavailable, UseOf
from gateway.http import viewings
from gateway.http.viewings import LONGEST, SILENCE, ImageAt, Viewings

pytestmark = pytest.mark.anyio


UNCOUNTED = UseOf("")


class PaperTrail:
    """A trail that keeps records in memory; ``down`` takes nothing, ``slow`` takes its time."""

    def __init__(self) -> None:
        self.kept: list[AuditRecord] = []
        self.down = False
        self.slow: asyncio.Event | None = None

    async def write(self, record: AuditRecord, _use: UseOf = UNCOUNTED) -> None:
        if self.slow is not None:
            await self.slow.wait()
        if self.down:
            raise AuditUnavailable
        self.kept.append(record)


class Hands:
    """A clock that stands still until somebody moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def request(person: str = "one", basis: str = "consent") -> AuditRecord:
    return AuditRecord(
        "pgo:resource:image", datetime.now(UTC), 200, "hospital", "9021", "image", "timeline", "pgo", person, "", basis
    )


@pytest.fixture
def trail() -> PaperTrail:
    return PaperTrail()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def open_studies(trail: PaperTrail, hands: Hands) -> Viewings:
    return Viewings(trail, hands)  # type: ignore[arg-type]


async def see(studies: Viewings, *images: str, person: str = "one", study: str = "1.2", series: str = "1.2.3") -> None:
    for image in images:
        await studies.see(request(person), UseOf("label"), ImageAt(study, series, image))


def told(trail: PaperTrail) -> list[tuple[str, tuple[tuple[str, int], ...], tuple[str, ...]]]:
    return [(one.interaction, one.resources, one.objects) for one in trail.kept]


async def test_a_study_has_one_record_when_it_opens_and_one_when_it_was_seen(
    open_studies: Viewings, trail: PaperTrail, hands: Hands
) -> None:
    await see(open_studies, "a", "b", "b")
    await see(open_studies, "c", series="1.2.4")
    opened = ("image", (("ImagingStudy", 1),), ("1.2",))
    assert told(trail) == [opened]
    hands.now = SILENCE - 1
    await open_studies.sweep()
    assert told(trail) == [opened], "the client may go on"
    hands.now = SILENCE
    await open_studies.sweep()
    assert told(trail)[1:] == [(SEEN, (("DICOM", 3),), ("1.2", "1.2.3: a b", "1.2.4: c"))]
    await see(open_studies, "a")
    assert told(trail)[2:] == [opened], "a viewing of its own"
    await open_studies.aclose()
    assert told(trail)[3:] == [(SEEN, (("DICOM", 1),), ("1.2", "1.2.3: a"))], "a stop in good order loses nothing"


async def test_every_person_and_every_study_has_its_own(open_studies: Viewings, trail: PaperTrail) -> None:
    await see(open_studies, "a")
    await see(open_studies, "a", person="two")
    await see(open_studies, "a", study="1.9")
    opened = [(one.person, *one.objects) for one in trail.kept]
    assert opened == [("one", "1.2"), ("two", "1.2"), ("one", "1.9")]
    await open_studies.aclose()
    assert len(trail.kept) == 6


async def test_nothing_leaves_before_the_opening_is_durable(open_studies: Viewings, trail: PaperTrail) -> None:
    """Six at once: one record, and all of them wait for it; when it fails none may leave, and the next tries anew."""
    trail.slow = asyncio.Event()
    waiting = [asyncio.create_task(see(open_studies, str(number))) for number in range(6)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert not any(one.done() for one in waiting[1:])
    trail.down = True
    trail.slow.set()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in failed[1:]} == {AuditUnavailable}
    trail.down = False
    await asyncio.gather(*(see(open_studies, str(number)) for number in range(6)))
    assert [one.interaction for one in trail.kept] == ["image"]
    await open_studies.aclose()
    assert trail.kept[1].resources == (("DICOM", 6),)


async def test_a_busy_client_is_recorded_all_the_same(
    open_studies: Viewings, trail: PaperTrail, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least every quarter of an hour, and after so many images; without the record no further one leaves."""
    await see(open_studies, "a")
    for hands.now in (SILENCE - 1, 2 * SILENCE - 2, LONGEST):
        await see(open_studies, str(hands.now))
        await open_studies.sweep()
    assert [one.interaction for one in trail.kept] == ["image", SEEN]
    monkeypatch.setattr(viewings, "MOST", 3)
    await see(open_studies, "a", "b", "c")
    trail.down = True
    with pytest.raises(AuditUnavailable):
        await see(open_studies, "d")
    trail.down = False
    await see(open_studies, "d")
    assert [one.interaction for one in trail.kept] == ["image", SEEN, "image", SEEN, "image"]
    assert trail.kept[3].objects == ("1.2", "1.2.3: a b c")


async def test_what_could_not_be_written_is_written_later(
    open_studies: Viewings, trail: PaperTrail, hands: Hands
) -> None:
    await see(open_studies, "a")
    trail.down, hands.now = True, SILENCE
    await open_studies.sweep()
    trail.down = False
    await open_studies.sweep()
    assert trail.kept[1].objects == ("1.2", "1.2.3: a")
