"""Photos: what is a photo, how large it may unpack, and where it was taken."""

import hashlib
import io
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from world.share_house import PHOTO, ShareHouse, share_house
from world.share_photos import bomb, photos, picture

from gateway.share.location import has_location, without_location


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShareHouse]:
    with share_house("sqlite", tmp_path_factory.mktemp("photos")) as found:
        yield found


@pytest.mark.parametrize("path", ["", "Bundle"])
def test_three_photos_are_taken(house: ShareHouse, path: str) -> None:
    """DL-C24, DL-60, DL-20: a List of three, posted at the base or as a Bundle."""
    body = photos(*(picture() + bytes([number]) for number in range(3)))
    headers = {"content-type": "application/fhir+json", "prefer": "return=representation"}
    answer = house.call("POST", path, PHOTO, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    kinds = [one["resource"]["resourceType"] for one in answer.json()["entry"]]
    assert sorted(kinds) == ["Binary"] * 3 + ["List"] + ["Media"] * 3 + ["Patient"]


def test_a_list_of_four_is_too_long(house: ShareHouse) -> None:
    """DL-C25: 422."""
    assert house.send(photos(*[picture()] * 4), service=PHOTO).status_code == 422


def test_what_is_said_of_a_photo_is_true(house: ShareHouse) -> None:
    """DL-C26, DL-61, DL-62: a wrong hash and a PNG that is called JPEG are 422. A wrong size is told to staff and no
    more: the official examples state wrong sizes (divergences.md)."""
    before = house.count()
    assert house.send(photos(picture(), hash="AAAA"), service=PHOTO).status_code == 422
    assert house.send(photos(picture("PNG")), service=PHOTO).status_code == 422
    assert house.send(photos(picture("WEBP"), media="image/webp"), service=PHOTO).status_code == 422
    assert house.count() == before
    assert house.send(photos(picture(), size=1), service=PHOTO).status_code == 200
    assert "size-differs" in house.lines(service=PHOTO)[-1].findings


def test_the_hash_may_be_written_in_hexadecimal(house: ShareHouse) -> None:
    """DL-62: as the official examples do."""
    data = picture() + b"hex"
    written = hashlib.sha1(data).hexdigest()
    assert house.send(photos(data, hash=written), service=PHOTO).status_code == 200


def test_an_image_that_unpacks_to_gigabytes_is_refused_unopened(house: ShareHouse) -> None:
    """DL-C27, DL-63: 40,001 by 40,001 pixels in few bytes: refused, without the memory that it would take."""
    body = photos(bomb(40_001), media="image/png")
    tracemalloc.start()
    answer = house.send(body, service=PHOTO)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status_code == 422
    assert peak < 64_000_000


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_the_place_goes_and_the_picture_stays(form: str) -> None:
    """DL-62: no pixel changes, the camera stays, the coordinates are gone."""
    photo = picture(form, gps=True)
    cleaned = without_location(photo)
    assert has_location(photo)
    assert not has_location(cleaned)
    assert len(cleaned) == len(photo)
    with Image.open(io.BytesIO(photo)) as before, Image.open(io.BytesIO(cleaned)) as after:
        assert after.tobytes() == before.tobytes()
        assert after.getexif()[0x010F] == "Camera"
        assert not after.getexif().get_ifd(0x8825)


@given(
    st.binary(max_size=400),
    st.sampled_from([b"\xff\xd8\xff\xe1\x00\x40Exif\x00\x00II*\x00\x08\x00\x00\x00", b"\x89PNG\r\n\x1a\n", b""]),
)
def test_nothing_breaks_the_look_at_a_photo(rest: bytes, start: bytes) -> None:
    """Whatever a file holds, it comes back at the same length."""
    assert len(without_location(start + rest)) == len(start + rest)
