"""Method and path to interaction."""

import pytest

from profiles.fhir.interactions import Route, UnknownRoute, route


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "metadata", Route("capabilities")),
        ("GET", "Condition", Route("search-type", "Condition")),
        ("HEAD", "/Condition/", Route("search-type", "Condition")),
        ("GET", "Observation/$lastn", Route("operation", "Observation", None, "lastn")),
        ("GET", "Binary/a.b-1", Route("read", "Binary", "a.b-1")),
        ("GET", "Composition/1/$document", Route("operation", "Composition", "1", "document")),
        ("PUT", "Task/1", Route("update", "Task", "1")),
        ("POST", "Task", Route("create", "Task")),
        ("POST", "", Route("transaction")),
    ],
)
def test_what_a_request_asks(method: str, path: str, expected: Route) -> None:
    assert route(method, path) == expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "DocumentReference/$", 400),
        ("GET", "Patient/a b", 400),
        ("GET", "Patient/1/2/3", 400),
        ("GET", "Patient/" + "1" * 65, 400),
        ("GET", "Patient/1/_history/2", 404),
        ("GET", "Observation/_search", 404),
        ("GET", "nothing", 404),
        ("GET", "", 405),
        ("DELETE", "Patient/1", 405),
        ("PATCH", "Patient/1", 405),
    ],
)
def test_what_is_no_request(method: str, path: str, status: int) -> None:
    with pytest.raises(UnknownRoute) as refused:
        route(method, path)
    assert refused.value.status == status
    assert refused.value.text
