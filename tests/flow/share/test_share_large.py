"""Large files: they go over the disk, and are kept and given back as they came; memory does not grow with them."""

import base64
import json
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import KINDS
from servers import free_port
from sqlalchemy import select
from world.share_gateway import started
from world.share_house import ANNA, JSON, PHOTO, PROVIDER, TOKENS, ShareHouse, exact, share_house
from world.share_photos import bomb, photos, picture

from gateway.share.keep import file_of
from gateway.store.shared import shared_item
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.version import FhirVersion

MEGABYTE = 1_000_000
AT_ONCE, SIZE = 8, 49 * MEGABYTE
"""Uploads at the same time, and bytes of each body."""
GROWTH = 150
"""Megabytes that they may take together; held whole they took more than that each."""


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShareHouse]:
    with share_house(request.param, tmp_path_factory.mktemp("large")) as made:
        yield made


def kept(house: ShareHouse) -> list[bytes]:
    """The files that are kept, the newest last."""
    with house.engine.connect() as connection:
        wanted = select(shared_item.c.pk).where(shared_item.c.type == "Binary").order_by(shared_item.c.pk)
        return [file_of(connection, pk) for pk in list(connection.execute(wanted).scalars())]


def binaries(answer: httpx.Response, form: str) -> list[bytes]:
    """The files in an answer."""
    assert answer.status_code == 200, answer.text[:500]
    body = answer.json() if form == "json" else xmlio.parse(answer.content, FhirVersion.STU3)
    held = [one["resource"] for one in body["entry"]]
    return [base64.b64decode(one["content"]) for one in held if one["resourceType"] == "Binary"]


@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_large_photo_is_kept_and_given_back_as_it_came(house: ShareHouse, form: str) -> None:
    """DL-21, DL-30, DL-C05: byte for byte, in both formats; and the same again for the same request."""
    data = [picture() + os.urandom(1_300_001 + number) for number in range(3)]
    headers = {"medmij-request-id": str(uuid.uuid4())}
    body = photos(*data)
    first = house.send(body, service=PHOTO, form=form, headers=headers)
    assert binaries(first, form) == data
    assert int(first.headers["content-length"]) == len(first.content)
    assert kept(house)[-3:] == data
    again = house.send(body, service=PHOTO, form=form, headers=headers)
    assert binaries(again, form) == data
    assert len(kept(house)) % 3 == 0


def test_the_same_large_photo_again_is_shown_once(house: ShareHouse) -> None:
    """DL-C06: the same content with a new request id; another photo of the same size is another thing."""
    house.forget()
    data = picture() + os.urandom(200_000)
    body = photos(data)
    for _ in range(2):
        assert house.send(body, service=PHOTO).status_code == 200
    assert (len(house.lines()), house.count()[0]) == (1, 2)
    assert house.send(photos(picture() + os.urandom(200_000)), service=PHOTO).status_code == 200
    assert len(house.lines()) == 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"hash": "AAAA"}, 422),
        ({"contentType": "image/gif"}, 422),
        ({"title": "A" * 70_000}, 200),
        ({"title": "A" * 1_100_000}, 422),
        ({"title": "lifted:" + "0" * 32 + ":0:" + "0" * 64}, 200),
    ],
)
def test_what_is_wrong_with_a_large_photo_is_told(house: ShareHouse, change: dict[str, Any], status: int) -> None:
    """DL-C26: as of a small one; a long text where no file can stand stays a text, or is refused."""
    answer = house.send(photos(picture() + os.urandom(100_000), **change), service=PHOTO)
    assert answer.status_code == status
    if status == 200:
        media = next(one["resource"] for one in answer.json()["entry"] if one["resource"]["resourceType"] == "Media")
        assert media["content"]["title"] == change["title"]


def test_base64_that_is_none_is_told(house: ShareHouse) -> None:
    """A large content that breaks off, or has another character in its midst: 400, and nothing is kept."""
    body = exact(photos(picture() + os.urandom(120_001)))
    before = house.count()
    binary = next(one["resource"] for one in body["entry"] if one["resource"]["resourceType"] == "Binary")
    whole = binary["content"]
    for text in (whole[:-1], whole[:80_000] + "=" + whole[80_001:], whole[:80_000] + "*" + whole[80_001:]):
        binary["content"] = text
        assert house.send(body, service=PHOTO).status_code == 400
    assert house.count() == before


def test_an_image_of_enormous_size_is_refused_on_disk_too(house: ShareHouse) -> None:
    """DL-C27: also when its bytes are many."""
    huge = bomb(40_001) + os.urandom(150_000)
    assert house.send(photos(huge, media="image/png"), service=PHOTO).status_code == 422


def anonymous(pid: int) -> int:
    """Bytes of memory of a process that are no file's."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow_with_eight_large_photos_at_once(kind: str, tmp_path: Path) -> None:
    """DL-29: eight bodies of 49 MB at the same time, in a process of its own, with the answers that give them back."""
    with share_house(kind, tmp_path) as house, started(house, free_port()) as (process, base):
        url = f"{base}/{PROVIDER}/{PHOTO}/fhir"
        small = jsonio.dump(exact(photos(picture())))

        def post(body: bytes) -> int:
            headers = {"authorization": f"Bearer {TOKENS[ANNA]}", "content-type": JSON, "accept": JSON,
                       "prefer": "return=representation", "medmij-request-id": str(uuid.uuid4()),
                       "x-correlation-id": str(uuid.uuid4())}  # fmt: skip
            with httpx.Client(timeout=300, trust_env=False) as client:
                with client.stream("POST", url, content=body, headers=headers) as answer:
                    size = sum(len(piece) for piece in answer.iter_raw())
                return answer.status_code if size > len(body) - 100_000 else -answer.status_code

        for _ in range(3):
            assert post(small) == 200
        before, most, done = anonymous(process.pid), [0], threading.Event()

        def watch() -> None:
            while not done.wait(0.05):
                most[0] = max(most[0], anonymous(process.pid))

        def send(number: int) -> None:
            data = picture() + bytes([number]) + os.urandom(SIZE * 3 // 4 - 3_000)
            statuses.append(post(json.dumps(photos(data)).encode()))

        statuses: list[int] = []
        watching = threading.Thread(target=watch)
        senders = [threading.Thread(target=send, args=(number,)) for number in range(AT_ONCE)]
        for thread in (watching, *senders):
            thread.start()
        for thread in senders:
            thread.join()
        done.set()
        watching.join()
        grown = (most[0] - before) // MEGABYTE
        print(f"{kind}: {before // MEGABYTE} MB before, {grown} MB more with {AT_ONCE} bodies of {SIZE // MEGABYTE} MB")
        assert statuses == [200] * AT_ONCE
        assert grown < GROWTH
