"""A narrative with active content, pushed by a source: what is served is clean, what came is kept (APP-05)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import KINDS
from sqlalchemy import select
from world.intake_house import House, condition, house, patient, source

from gateway.store.schema import original

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


@pytest.fixture(params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, tmp_path, epd=source()) as found:
        yield found


def test_what_is_active_in_a_narrative_is_stored_sealed_and_served_without(hospital: House) -> None:
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    active = {"status": "generated", "div": DIV.format('<p onclick="a()">Astma</p><script>b()</script>')}
    pushed = {**condition(), "text": active}
    answer = hospital.send("PUT", f"/intake/epd/Condition/{pushed['id']}", pushed)
    assert answer.status_code == 201
    served = hospital.stored()[f"Condition/{pushed['id']}"]
    assert served["text"] == {"status": "generated", "div": DIV.format("<p>Astma</p>")}
    assert served["code"] == pushed["code"]
    # The same content again is the same version: cleaning is not a change of the source's.
    again = hospital.send("PUT", f"/intake/epd/Condition/{pushed['id']}", pushed)
    assert (again.status_code, again.headers["etag"]) == (200, 'W/"1"')
    with hospital.engine.connect() as connection:
        assert len(connection.execute(select(original.c.sealed)).all()) == 2


def test_a_narrative_that_is_no_xhtml_is_refused(hospital: House) -> None:
    """v06: 400, and nothing is stored."""
    hospital.send("PUT", "/intake/epd/Patient/p1", patient())
    pushed = {**condition(), "text": {"status": "generated", "div": DIV.format("<p>x")}}
    answer = hospital.send("PUT", f"/intake/epd/Condition/{pushed['id']}", pushed)
    assert answer.status_code == 400
    assert f"Condition/{pushed['id']}" not in hospital.stored()
