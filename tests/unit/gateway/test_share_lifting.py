"""Files that are lifted out of a body while it comes in: what is left parses to the same, whatever the pieces."""

import base64
import io
import json
import os
import random
from contextlib import closing
from hashlib import sha256
from typing import Any

import pytest

from gateway.documents.pdfa import check
from gateway.share.lifting import LEAST, LIFTED, MOST_BACK, Lifter, TooLongText, decoded, mapped
from gateway.share.location import has_location, without_location
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.version import FhirVersion

FILE = os.urandom(150_000)
TEXT = base64.b64encode(FILE).decode()


def fed(body: bytes, size: int = 10_007) -> Lifter:
    """A lifter that got a body in pieces of this size."""
    lifter = Lifter(Format.JSON if body.startswith(b"{") else Format.XML)
    for start in range(0, len(body), size):
        lifter.feed(body[start : start + size])
    lifter.end()
    return lifter


def whole(lifter: Lifter, resource: Any) -> Any:
    """What the document means with its files put back into Binaries."""
    lifter.restore(resource)
    for entry in resource.get("entry", [resource]):
        held = entry.get("resource", entry)
        if held.get("content") in lifter.files:
            held["content"] = base64.b64encode(bytes(lifter.content(held["content"]))).decode()
    return resource


def binary(text: str = TEXT) -> dict[str, Any]:
    return {"resourceType": "Binary", "contentType": "image/png", "content": text}


@pytest.mark.parametrize("size", [1 << 20, 65_537, 10_007, 1_000])
def test_a_file_is_lifted_and_the_rest_is_small(size: int) -> None:
    """Two files in a Bundle: the rest is some hundred bytes, the files are what was sent, equal ones look alike."""
    body = json.dumps({"resourceType": "Bundle", "entry": [{"resource": binary()}, {"resource": binary()}]}).encode()
    with closing(fed(body, size)) as lifter:
        rest = lifter.rest()
        assert (len(lifter.files), len(rest) < 700) == (2, True)
        assert lifter.digest == sha256(body).digest()
        first, second = LIFTED.sub(b"", rest).split(b'"content": "')[1:]
        assert first[2:66] == second[2:66] == sha256(TEXT.encode()).hexdigest().encode()
        assert whole(lifter, jsonio.parse(rest)) == json.loads(body)


def test_xml_is_lifted_in_the_same_way() -> None:
    body = xmlio.dump(binary(), FhirVersion.STU3)
    with closing(fed(body)) as lifter:
        assert len(lifter.rest()) < 400
        assert whole(lifter, xmlio.parse(lifter.rest(), FhirVersion.STU3)) == binary()


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize(
    "text",
    [
        TEXT, f"voor {TEXT}", f"{TEXT} na", f"'{TEXT}'", f'"{TEXT}"', f"\\{TEXT}\\", TEXT[:LEAST - 1],
        TEXT[:LEAST], f"{TEXT}\\", f"{TEXT}\\u0041",
        f"it's '{TEXT}", f"{TEXT}\"{TEXT}", "\\" * 65_540, "a b\n" * 20_000, "'" * 200 + TEXT + "'" * 3,
    ],
)  # fmt: skip
def test_what_is_no_file_stands_where_it_stood(form: str, text: str) -> None:
    """A long text that only looks like a file, with quotation marks and escapes around it: nothing changes."""
    resource = {"resourceType": "Basic", "language": text, "identifier": [{"value": "x"}, {"value": text}]}
    body = json.dumps(resource).encode() if form == "json" else xmlio.dump(resource, FhirVersion.STU3)
    plain = jsonio.parse(body) if form == "json" else xmlio.parse(body, FhirVersion.STU3)
    for size in (len(body), 4_099):
        with closing(fed(body, size)) as lifter:
            rest = lifter.rest()
            parsed = jsonio.parse(rest) if form == "json" else xmlio.parse(rest, FhirVersion.STU3)
            lifter.restore(parsed)
            assert parsed == plain


def test_anything_at_all_means_the_same() -> None:
    """Random documents in random pieces: parsed whole and parsed after lifting, they are one."""
    chance = random.Random(7)
    alphabet = ["A" * 70_000, '"', "\\", "'", "\n", " ", "b64+/==", "é", "ü" * 10, "Zz09" * 17_000, "<", "&"]
    for _ in range(60):
        values = ["".join(chance.choices(alphabet, k=chance.randint(0, 6))) for _ in range(3)]
        body = json.dumps(
            {"resourceType": "Basic", "a": values, "b": {"c": values[0]}}, ensure_ascii=chance.random() < 0.5
        )
        with closing(fed(body.encode(), chance.choice([7_001, 65_536, 1 << 20]))) as lifter:
            parsed = json.loads(lifter.rest())
            lifter.restore(parsed)
            assert parsed == json.loads(body)


def test_a_value_of_megabytes_where_no_file_can_stand_is_refused() -> None:
    body = json.dumps({"resourceType": "Basic", "language": "A" * (MOST_BACK + 4)}).encode()
    with closing(fed(body)) as lifter, pytest.raises(TooLongText):
        lifter.restore(jsonio.parse(lifter.rest()))
    body = json.dumps({"resourceType": "Basic", "A" * LEAST: "x"}).encode()
    with closing(fed(body)) as lifter, pytest.raises(TooLongText):
        lifter.restore(jsonio.parse(lifter.rest()))


def test_a_name_that_a_client_makes_up_is_a_text() -> None:
    """A name of another request, or a made-up one, names no file."""
    made_up = "lifted:" + "0" * 32 + ":0:" + "0" * 64
    body = json.dumps({"resourceType": "Bundle", "entry": [{"resource": binary(made_up)}, {"resource": binary()}]})
    with closing(fed(body.encode())) as lifter:
        parsed = jsonio.parse(lifter.rest())
        lifter.restore(parsed)
        assert parsed["entry"][0]["resource"]["content"] == made_up
        assert made_up not in lifter.files


@pytest.mark.parametrize("lines", ["\\n", "\\r\\n", "\n", ""])
def test_lines_and_escapes_within_base64(lines: str) -> None:
    """As JSON may write it: a slash with an escape, an end of line after each 76 characters."""
    text = lines.join(TEXT[start : start + 76] for start in range(0, len(TEXT), 76)).replace("/", "\\/")
    assert b"".join(decoded(io.BytesIO(text.encode()))) == FILE


@pytest.mark.parametrize("text", [TEXT[:-1], TEXT + "A", "====" + TEXT, TEXT + TEXT, TEXT[:40_000] + "\\u0041" + TEXT])
def test_what_is_no_base64_is_told(text: str) -> None:
    if text == TEXT + TEXT and not TEXT.endswith("="):
        text = "QQ==" + TEXT
    with pytest.raises(ValueError, match="no base64"):
        list(decoded(io.BytesIO(text.encode())))


def test_a_mapped_file_is_read_as_one_in_memory() -> None:
    """The look at a PDF and at a photo is the same, wherever the file is."""
    assert bytes(mapped([FILE[:70_000], FILE[70_000:]])) == FILE
    assert mapped([]) == b""
    broken = b"%PDF-1.7\n" + FILE
    assert check(mapped([broken]), "Binary") == check(broken, "Binary")
    assert has_location(mapped([FILE])) == (without_location(FILE) != FILE)
