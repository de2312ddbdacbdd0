"""The benchmarks run from a clean clone, and their population is what it says."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from sqlalchemy import func, select  # noqa: E402

from auth.crypto import KeyRing, Pseudonyms, valid_bsn  # noqa: E402
from benchmarks.__main__ import EVERY, main  # noqa: E402
from benchmarks.fill import fill, served  # noqa: E402
from benchmarks.frame import Bench, Figure  # noqa: E402
from benchmarks.population import Copies, Population, bsns, model, transaction, write_ndjson  # noqa: E402
from benchmarks.static import read, write  # noqa: E402
from gateway.cli.db import upgrade  # noqa: E402
from gateway.store.engine import open_engine  # noqa: E402
from gateway.store.schema import link, patient, resource  # noqa: E402
from profiles import zibs  # noqa: E402
from profiles.fhir.codec import jsonio, xmlio  # noqa: E402
from profiles.fhir.codec.packing import unpack  # noqa: E402
from profiles.fhir.search.keys import stored  # noqa: E402
from profiles.fhir.version import FhirVersion  # noqa: E402

TINY = ["--persons", "3", "--visitors", "2", "--visits", "1", "--milliseconds", "5", "--resources", "40"]


@pytest.mark.parametrize("name", EVERY)
def test_every_benchmark_runs_and_says_over_whom_and_where(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_SHARED", str(tmp_path / "nothing"))
    done = main([*TINY, "--only", name, "--json", str(tmp_path / "figures.json")])
    written = json.loads((tmp_path / "figures.json").read_text())
    assert [one["benchmark"] for one in written] == [done[0].name]
    assert written[0]["population"]
    assert "cores" in written[0]["machine"]
    assert all(figure["cost"] > 0 for figure in written[0]["figures"])
    # A figure says nothing without what it is compared with.
    compared = [figure for figure in written[0]["figures"] if figure["baseline"]]
    assert compared
    assert all(figure["against"] for figure in compared)


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "reeds"])
    assert "reeds" in capsys.readouterr().err


def test_a_share_is_the_baseline_divided_by_the_cost() -> None:
    assert Figure("x", 200.0, "us", 20.0).share == 0.1
    assert Figure("x", 200.0, "us").share is None
    bench = Bench("b", "nobody", "here")
    bench.add(Figure("x", 2.0, "us", 1.0, "y"))
    assert bench.json()["figures"][0]["share"] == 0.5


def test_the_same_seed_makes_the_same_persons_whatever_the_size() -> None:
    small, large = Population(10), Population(100_000)
    assert [one.copies for one in small.people()] == [large.person(number).copies for number in range(10)]
    assert Population(10, seed=2).person(3).copies != small.person(3).copies
    everything = list(Copies(small))
    assert everything == list(Copies(Population(10)))
    names = [(type_, jsonio.load(body)["id"]) for type_, body in everything]
    assert len(set(names)) == len(names)


def test_the_tails_are_long() -> None:
    sizes = sorted(sum(one.copies.values()) for one in Population(1_000).people())
    assert 40 < sizes[500] < 100
    assert sizes[-1] > 2_000
    many = [
        max(count for index, count in one.copies.items() if not model().is_result(index))
        for one in Population(1_000).people()
    ]
    assert 20 in many


def test_nobody_has_a_real_number() -> None:
    assert len(bsns()) > 90_000
    assert all(valid_bsn(one) and one.startswith("999") for one in bsns()[::997])
    abroad = Population(100_000).person(99_999)
    assert abroad.bsn is None
    first = jsonio.load(next(body for _, body in Copies(Population(100_000)).of_person(abroad)))
    assert all("bsn" not in identifier["system"] for identifier in first["identifier"])


def test_the_population_is_valid_by_our_zib_tables() -> None:
    checking = zibs.validator(FhirVersion.STU3, ())
    for _, body in Copies(Population(4)):
        report = checking.validate(jsonio.parse(body))
        assert report.verdict != "wrong", (jsonio.load(body)["id"], report.findings)


def test_references_of_a_record_lead_somewhere() -> None:
    bodies = [jsonio.load(body) for _, body in Copies(Population(5))]
    names = {f"{one['resourceType']}/{one['id']}" for one in bodies}

    def pointed(node: object) -> set[str]:
        if isinstance(node, dict):
            own = {str(node["reference"])} if isinstance(node.get("reference"), str) else set()
            return own.union(*(pointed(value) for value in node.values()))
        return set().union(*(pointed(value) for value in node)) if isinstance(node, list) else set()

    assert all(target in names for one in bodies for target in pointed(one))


def test_a_filled_store_holds_what_an_import_would_make(tmp_path: Path) -> None:
    """Rows made from templates are rows: keys, JSON and XML of a copy belong together."""
    engine = open_engine(f"sqlite:///{tmp_path}/filled.db")
    upgrade(engine)
    population = Population(3)
    keys = Pseudonyms(b"k"), KeyRing("a", {"a": bytes(32)})
    count = fill(engine, population, *keys)
    assert fill(engine, population, *keys) == count  # it is there already
    with pytest.raises(ValueError, match="holds 3 persons"):
        fill(engine, Population(4), *keys)
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(patient)).scalar_one() == 3
        rows = connection.execute(select(resource)).all()
    assert len(rows) == count == sum(1 for _ in Copies(population))
    assert b"999951750" not in b"".join(row.json for row in rows)
    for row in rows:
        data = jsonio.load(unpack(row.json))
        assert (data["resourceType"], data["id"]) == (row.type, row.id)
        assert (row.search, row.marks) == stored(FhirVersion.STU3, data)
        assert unpack(row.xml) == xmlio.fragment(data, FhirVersion.STU3)
    engine.dispose()
    assert len(served()[0]) == len(model().own)


def test_who_is_only_in_the_way_has_rows_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more persons than are made, the others are copies: as many rows, ids and links, and every link leads on."""
    monkeypatch.setattr("benchmarks.fill.MADE", 2)
    engine = open_engine(f"sqlite:///{tmp_path}/copied.db")
    upgrade(engine)
    population = Population(7)
    count = fill(engine, population, Pseudonyms(b"k"), KeyRing("a", {"a": bytes(32)}))
    with engine.connect() as connection:
        rows = connection.execute(select(resource)).all()
        links = connection.execute(select(link)).all()
    engine.dispose()
    own = {number: sorted(row.id for row in rows if row.patient_id == f"p{number}") for number in range(7)}
    assert [len(own[number]) for number in range(7)] == [len(own[number % 2]) for number in range(7)]
    assert own[4] == [one.replace("p0", "p4", 1) for one in own[0]]
    assert len({row.key for row in rows}) == len(rows) == count
    names, whose = {(row.type, row.id) for row in rows}, {row.pk: row for row in rows}
    assert all((one.target_type, one.target_id) in names for one in links)
    assert sum(whose[one.resource_pk].patient_id == "p6" for one in links) == sum(
        whose[one.resource_pk].patient_id == "p0" for one in links
    )


def test_a_population_can_be_files_or_transactions(tmp_path: Path) -> None:
    count = write_ndjson(Population(2), tmp_path)
    lines = [line for file in tmp_path.glob("*.ndjson") for line in file.read_bytes().splitlines()]
    assert len(lines) == count
    bundle = jsonio.parse(transaction(lines[:3]))
    assert [entry["request"]["method"] for entry in bundle["entry"]] == ["PUT"] * 3


def test_the_static_server_gets_its_bytes_back(tmp_path: Path) -> None:
    bodies = [b"", b"one\ntwo", bytes(range(256))]
    write(tmp_path / "bodies", "application/fhir+json", bodies)
    assert read(tmp_path / "bodies") == ("application/fhir+json", bodies)
