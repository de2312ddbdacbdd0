"""What a server says of its own version: taken away from others, stated by us (FHIR http, update)."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.codec import xmlio
from profiles.fhir.version import FhirVersion
from profiles.record.stamp import SERVER_OWNED, moment, stamp, unstamp

AT = datetime(2026, 3, 1, 9, 5, 7, 45_600, tzinfo=UTC)


def test_ours_come_in_place_of_theirs() -> None:
    resource = {
        "resourceType": "Patient",
        "id": "p",
        "gender": "male",
        "meta": {"versionId": "9", "profile": ["http://x"]},
    }
    assert [repair.expression for repair in unstamp(resource)] == ["Patient.meta.versionId"]
    stamp(resource, 3, AT)
    assert list(resource) == ["resourceType", "id", "meta", "gender"]
    assert resource["meta"] == {"versionId": "3", "lastUpdated": "2026-03-01T09:05:07.045Z", "profile": ["http://x"]}
    assert xmlio.parse(xmlio.dump(resource, FhirVersion.STU3), FhirVersion.STU3) == resource


def test_a_meta_of_nothing_else_goes() -> None:
    resource = {"resourceType": "Patient", "meta": {"lastUpdated": "x", "_lastUpdated": {"id": "a"}}}
    assert len(unstamp(resource)) == 1
    assert resource == {"resourceType": "Patient"}
    odd = {"resourceType": "Patient", "meta": ["no meta"]}
    assert unstamp(odd) == []


META = st.dictionaries(st.sampled_from([*SERVER_OWNED, "_versionId", "profile", "tag"]), st.text(max_size=3))


@given(META, st.integers(1, 9), st.integers(946_684_800, 4_000_000_000))
def test_nothing_else_is_touched_and_it_comes_to_the_same_again(meta: dict[str, str], version: int, at: int) -> None:
    moment_at = datetime.fromtimestamp(at, UTC)
    resource = {"resourceType": "Patient", "id": "p", "meta": meta, "gender": "male"}
    unstamp(resource)
    left = {name: value for name, value in meta.items() if name in ("profile", "tag")}
    stamp(resource, version, moment_at)
    assert resource["meta"] == {"versionId": str(version), "lastUpdated": moment(moment_at), **left}
    unstamp(resource)
    assert resource.get("meta", {}) == left
    assert (resource["id"], resource["gender"]) == ("p", "male")
