"""Rules that published definitions get wrong: the form of the id of a resource."""

import pytest
from unit.profiles.validation.small_definitions import knowing, observation, rules

from profiles.fhir.version import FhirVersion


@pytest.mark.parametrize("version", list(FhirVersion))
@pytest.mark.parametrize(("id_", "good"), [("a-1.B", True), ("bad id", False), ("x" * 65, False), ("a_b", False)])
def test_the_id_of_a_resource_has_its_form(version: FhirVersion, id_: str, good: bool) -> None:
    found = rules(knowing(version=version).validate(observation(id=id_)))
    assert found == ([] if good else [("format", "Observation.id")])
