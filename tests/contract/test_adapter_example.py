"""The worked example of docs/adapters.md, taken from the page and put through the contract."""

import re
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.port import Adapter, AdapterMisconfigured, Bsn, PatientKey
from adapters.registry import GROUP, build, known
from adapters.testing.contract import AdapterContract, ContractRow
from profiles.fhir.codec import jsonio

PAGE = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text("utf-8")
SOURCE = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class Acme" in block)

PEOPLE = {
    "999911120": {"id": "anna", "weights": [{"id": "w1", "kg": "71.50", "at": "2026-01-01T08:00:00+01:00"}]},
    "999911132": {"id": "bram", "weights": [{"id": "w2", "kg": "88.0", "at": "2026-01-01T08:00:00+01:00"}]},
}


@pytest.fixture(scope="module")
def acme() -> Any:
    module = types.ModuleType("acme_gateway")
    sys.modules["acme_gateway"] = module
    exec(compile(SOURCE, "acme_gateway.py", "exec"), module.__dict__)
    yield module
    del sys.modules["acme_gateway"]


async def platform(request: httpx.Request) -> httpx.Response:
    person = PEOPLE.get(jsonio.parse(request.content)["number"])
    return httpx.Response(200, content=jsonio.dump(person)) if person else httpx.Response(404)


class TestExample(AdapterContract):
    known, other, unknown = PatientKey(Bsn("999911120")), PatientKey(Bsn("999911132")), PatientKey(Bsn("999911144"))
    rows = (ContractRow("bgz-3", "bodyWeight", "Observation", (("code", "http://loinc.org|29463-7"),), "operation"),)

    @pytest.fixture(autouse=True)
    def _module(self, acme: Any) -> None:
        self.acme = acme

    def make(self) -> Adapter:
        settings = self.acme.AcmeSettings(name="acme", url="http://acme.test")
        adapter: Adapter = self.acme.Acme(settings, httpx.MockTransport(platform))
        return adapter


def test_the_example_is_under_100_lines() -> None:
    assert len(SOURCE.splitlines()) < 100


@pytest.mark.usefixtures("acme")
def test_the_example_comes_in_through_its_entry_point() -> None:
    points = known([EntryPoint("acme", "acme_gateway:adapter", GROUP)])
    adapter = build({"type": "acme", "name": "scales", "url": "http://acme.test"}, points)
    assert adapter.name == "scales"
    with pytest.raises(AdapterMisconfigured, match="url: Field required"):
        build({"type": "acme", "name": "scales"}, points)


@pytest.mark.usefixtures("acme")
def test_a_package_cannot_take_the_name_of_a_house_adapter(caplog: pytest.LogCaptureFixture) -> None:
    points = known([EntryPoint("sql", "acme_gateway:adapter", GROUP)])
    assert points["sql"].value.startswith("adapters.sql")
    assert "not used" in caplog.text


@pytest.mark.parametrize("target", ["acme_nowhere:adapter", "json:dumps"])
def test_an_entry_point_that_is_no_adapter_is_refused_by_name(target: str) -> None:
    points = known([EntryPoint("odd", target, GROUP)])
    with pytest.raises(AdapterMisconfigured, match="'odd'"):
        build({"type": "odd", "name": "x"}, points)


def test_the_page_names_every_adapter_type_and_setting() -> None:
    for name in ("fhir", "sql", "files", "documents"):
        settings = known()[name].load().settings
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
        own = [field for field in settings.model_fields if field not in ("type", "name", "limits")]
        assert [field for field in own if f"`{field}`" not in row] == []
