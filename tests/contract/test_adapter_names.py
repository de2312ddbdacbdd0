"""What a source calls the person, for the consent page (UI-08)."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from contract.adapter_world import ANNA, ANNA_KEY, person
from timing import LONG

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.port import Adapter, Availability, AvailabilityQuery
from adapters.registry import build
from adapters.testing.fake_ehr import FakeEhr

NAMED = {"name": [{"given": ["Anna"], "family": "de Boer"}]}


def asked(adapter: Adapter) -> Availability:
    return asyncio.run(adapter.available(AvailabilityQuery("p", ANNA_KEY, (), time.monotonic() + LONG)))


def of(kind: str, people: list[dict[str, Any]], folder: Path) -> Adapter:
    if kind == "fhir":
        ehr = httpx.ASGITransport(app=FakeEhr(people))
        return FhirAdapter(FhirSettings(name="ehr", url="http://ehr.test/fhir", version="stu3"), ehr)
    for one in people:
        (folder / f"{one['id']}.json").write_text(json.dumps(one))
    return build({"type": "files", "name": "map", "path": str(folder), "version": "stu3"})


@pytest.mark.parametrize("kind", ["fhir", "files"])
def test_a_source_tells_the_name_when_it_has_one(kind: str, tmp_path: Path) -> None:
    """UI-08: one name, or none when its records of one person differ."""
    anna, again = person("anna", ANNA, "1961-04-12") | NAMED, person("anna2", ANNA, "1961-04-12")
    folders = [tmp_path / name for name in ("one", "same", "differs", "none")]
    for folder in folders:
        folder.mkdir()
    sets = ([anna], [anna, again | NAMED], [anna, again | {"name": [{"text": "Bo"}]}], [again])
    told = [asked(of(kind, people, folder)).name for people, folder in zip(sets, folders, strict=True)]
    assert told == ["Anna de Boer", "Anna de Boer", None, None]
    assert "Boer" not in repr(asked(of(kind, [anna], folders[0])))


def test_a_store_of_documents_tells_it_too(tmp_path: Path) -> None:
    """UI-08: by ``name`` in patient.yaml."""
    folder = tmp_path / "letters" / "anna"
    folder.mkdir(parents=True)
    (folder / "patient.yaml").write_text(f'bsn: "{ANNA}"\nname: Anna de Boer\n')
    store = build({"type": "documents", "name": "letters", "path": str(tmp_path / "letters"), "version": "stu3"})
    assert asked(store).name == "Anna de Boer"
