"""The size of a picture is read from its head alone, and junk is no picture (DL-C25)."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gateway.share.pictures import pixels_of

MEDIA = {"image/png": "PNG", "image/gif": "GIF", "image/jpeg": "JPEG"}


def picture(form: str, size: tuple[int, int], **options: object) -> bytes:
    made = io.BytesIO()
    Image.new("L", size).save(made, form, **options)
    return made.getvalue()


@pytest.mark.parametrize("media", MEDIA)
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3, 2000)])
def test_the_size_is_that_of_the_picture(media: str, size: tuple[int, int]) -> None:
    assert pixels_of(picture(MEDIA[media], size), media) == size


def test_a_photo_with_a_great_deal_before_its_frame() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    assert pixels_of(picture("JPEG", (30, 20), exif=exif, progressive=True), "image/jpeg") == (30, 20)


def test_jpeg_2000_by_its_boxes() -> None:
    head = b"\0\0\0\x16ihdr" + (20).to_bytes(4) + (30).to_bytes(4) + b"\0\3\7\7\0\0"
    signature = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x14ftypjp2 \0\0\0\0jp2 "
    assert pixels_of(signature + b"\0\0\0\x1ejp2h" + head, "image/jp2") == (30, 20)
    assert pixels_of(signature, "image/jp2") is None


@given(st.sampled_from([*MEDIA, "image/jp2", "text/plain"]), st.binary(max_size=300), st.booleans())
def test_junk_is_no_picture_and_ends(media: str, junk: bytes, begun: bool) -> None:
    start = {"image/jpeg": b"\xff\xd8", "image/png": b"\x89PNG\r\n\x1a\n", "image/gif": b"GIF89a"}.get(media, b"")
    size = pixels_of((start if begun else b"") + junk, media)
    assert size is None or min(size) > 0


@given(st.integers(0, 80), st.sampled_from(sorted(MEDIA)))
def test_what_is_cut_off_is_no_picture_or_has_its_size(length: int, media: str) -> None:
    whole = picture(MEDIA[media], (7, 9))
    assert pixels_of(whole[:length], media) in (None, (7, 9))
