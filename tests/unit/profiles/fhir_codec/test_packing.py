"""Packed bytes: whole again, smaller, told from what is not packed; damage is said."""

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.codec.packing import DICTIONARIES, JSON, MARK, XML, Unpackable, pack, unpack

TYPICAL = (
    b'{"resourceType":"Observation","id":"a1","meta":{"profile":["http://nictiz.nl/fhir/StructureDefinition/zib-BodyHeight"]}'
    b',"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8302-2"}]},'
    b'"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":180,"system":"http://unitsofmeasure.org"}}'
)


@given(st.binary(), st.sampled_from([JSON, XML]))
def test_what_was_packed_comes_back(content: bytes, dictionary: int) -> None:
    assert unpack(pack(content, dictionary)) == content


@given(st.binary())
def test_other_bytes_are_left_alone(content: bytes) -> None:
    if content[:1] != bytes((MARK,)):
        assert unpack(content) == content


def test_a_resource_becomes_a_third() -> None:
    assert len(pack(TYPICAL)) < len(TYPICAL) / 3


@pytest.mark.parametrize("damage", [lambda kept: kept[:-3], lambda kept: bytes((MARK, 250)) + kept[2:],
                                    lambda kept: kept[:2] + b"\xff\xff" + kept[4:]])  # fmt: skip
def test_damage_is_told(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(Unpackable):
        unpack(damage(pack(TYPICAL)))


@pytest.mark.parametrize("number", DICTIONARIES)
def test_what_was_packed_before_zstandard_can_still_be_opened(number: int) -> None:
    dictionary = (resources.files("profiles.fhir") / "data" / DICTIONARIES[number]).read_bytes()
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, dictionary)
    kept = bytes((MARK, number)) + packer.compress(TYPICAL) + packer.flush()
    assert unpack(kept) == TYPICAL
    for damaged in (kept[:-3], kept[:2] + b"\xff\xff" + kept[4:]):
        with pytest.raises(Unpackable):
            unpack(damaged)


def test_threads_pack_beside_each_other() -> None:
    """What works on a resource is no other thread's."""
    texts = [TYPICAL.replace(b"a1", b"a%d" % number) for number in range(400)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: unpack(pack(text)), texts)) == texts


DIGESTS = {
    "packing-json-1.dict": "e398847b18b82c69b4d5a38e73491e97214f80b81e9b0f82793c189cac18091e",
    "packing-xml-1.dict": "45c52bf16b7800d1818c87d12259b0aa1bb26bed270fe14cd91633ced5124f09",
}


@pytest.mark.parametrize("name", DICTIONARIES.values())
def test_a_dictionary_never_changes(name: str) -> None:
    """What was packed with it could not be opened any more: a better one gets the next number."""
    content = (resources.files("profiles.fhir") / "data" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == DIGESTS[name]
