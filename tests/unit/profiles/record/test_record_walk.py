"""The walks: every object once, with the place that FHIRPath gives it, however deep it goes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles.record.walk import key_of, links, nodes, objects, references, values

FLAG = {
    "resourceType": "Flag",
    "id": "f",
    "url": "Binary/not-a-link-of-the-resource-itself",
    "contained": [{"resourceType": "Patient", "id": "p", "link": [{"other": {"reference": "Patient/1"}}]}],
    "subject": {"reference": "https://x.test/Patient/2/_history/3"},
    "content": [{"attachment": {"url": "https://x.test/Binary/b"}}, {"attachment": {"url": "https://x.test/other/b"}}],
}


def test_the_places_are_those_of_fhirpath() -> None:
    assert [path for path, _ in nodes(FLAG)] == [
        "Flag", "Flag.contained[0]", "Flag.contained[0].link[0]", "Flag.contained[0].link[0].other", "Flag.subject",
        "Flag.content[0]", "Flag.content[0].attachment", "Flag.content[1]", "Flag.content[1].attachment",
    ]  # fmt: skip
    assert [path for path, _ in nodes([{}, {}], "Bundle.entry")] == ["Bundle.entry[0]", "Bundle.entry[1]"]


def test_references_and_links() -> None:
    assert [one["reference"] for one in references(FLAG)] == ["Patient/1", "https://x.test/Patient/2/_history/3"]
    assert list(links(FLAG)) == [("Patient", "1")], "an address elsewhere is no neighbour, whatever its id"
    assert key_of(FLAG) == ("Flag", "f")


def test_values_at_a_path_pass_through_lists() -> None:
    one = {"participant": [{"actor": 1}, {"actor": [2, 3]}, {}, "x", {"actor": None}]}
    assert list(values(one, "participant.actor")) == [1, 2, 3]
    assert list(values(one, "nothing.here")) == []


def test_depth_is_for_the_sender_to_choose() -> None:
    deep: Any = {"reference": "Patient/1"}
    for _ in range(50_000):
        deep = {"extension": [deep]}
    assert len(list(references(deep))) == 1
    assert sum(1 for _ in objects(deep)) == 50_001


JSON = st.recursive(
    st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=4), JSON))
def test_both_walks_see_the_same_objects_in_the_same_order(resource: dict[str, Any]) -> None:
    assert [id(node) for _, node in nodes(resource)] == [id(node) for node in objects(resource)]
