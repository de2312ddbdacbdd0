"""Which parts of a data service the consent page names when nobody knows beforehand what there is."""

import pytest

from gateway.availability import _possible
from profiles.standards.load import catalogue

SERVICES = [id_ for standard in catalogue().standards.values() for id_ in (one.id for one in standard.services)]


@pytest.mark.parametrize("service", SERVICES)
def test_requests_that_are_there_to_be_refused_are_no_part_of_a_record(service: str) -> None:
    """AVL-05, UI-08: a row for testers ("a question that makes no sense") is not something to consent to."""
    standard, known = catalogue().service(service)
    refused = {rule.name_nl for rule in standard.rules_of(known) if rule.answer == "refused"}
    assert not refused & {name for name, _ in _possible(service).parts}
