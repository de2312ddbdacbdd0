"""tools/fetch-official against a stand-in for the public places: what it fetches, refuses, and goes on with."""

import hashlib
import importlib.util
import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PATIENT = b'<Patient xmlns="http://hl7.org/fhir"><id value="een"/><birthDate value="1980-02-03"/></Patient>'


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("fetch_official", ROOT / "tools" / "fetch_official.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["fetch_official"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fetch_official"]


@dataclass
class Place:
    """A public place: what it has by path, what was asked, and how often it breaks off in the middle."""

    content: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    breaks: int = 0
    ranges: bool = True
    moved: dict[str, str] = field(default_factory=dict)
    url: str = ""


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            made.asked.append((self.path, wanted))
            if self.path in made.moved:
                self.send_response(302)
                self.send_header("Location", made.moved[self.path])
                self.end_headers()
                return
            data = made.content.get(self.path)
            if data is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and made.ranges else 0
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            if made.breaks:
                made.breaks -= 1
                self.wfile.write(data[start : start + len(data) // 10])
                self.wfile.flush()
                self.connection.close()
            else:
                self.wfile.write(data[start:])

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def package(name: str = "voorbeeld.fhir.nl", version: str = "1.0.0", **more: bytes) -> bytes:
    said = json.dumps({"name": name, "version": version}).encode()
    filling = {f"package/X-{n}.json": hashlib.sha256(str(n).encode()).hexdigest().encode() * 40 for n in range(20)}
    return tarred({"package/package.json": said, **filling, **more})


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SCRIPTS = {
    "scripts-abc/output/STU3/Een-1-0/Test/XIS-Server/een-json.xml": b"<TestScript/>",
    "scripts-abc/output/STU3/Een-1-0/Test/_reference/p.xml": PATIENT,
    "scripts-abc/output/STU3/Een-1-0/Test/Unwanted/x.xml": b"<x/>",
    "scripts-abc/README.md": b"not asked for",
}


@pytest.fixture
def table(tmp_path: Path, place: Place) -> Path:
    """A table of one package, one set of scripts and two examples, all of them at the stand-in."""
    data = package()
    place.content["/voorbeeld.fhir.nl/1.0.0"] = data
    place.content["/Een/scripts/tar.gz/abc"] = tarred(SCRIPTS)
    place.content["/Een/profielen/tar.gz/1.0"] = tarred(
        {"profielen-1.0/Examples/een.xml": PATIENT, "profielen-1.0/Examples/sub/twee.xml": PATIENT}
    )
    rows = sorted(
        (name.partition("/Test/")[2], sha(content))
        for name, content in SCRIPTS.items()
        if "/XIS" in name or "/_r" in name
    )
    digest = sha("".join(f"{found}  {path}\n" for path, found in rows).encode())
    path = tmp_path / "official.toml"
    path.write_text(f'''
registry = "{place.url}"
archives = "{place.url}/{{repository}}/tar.gz/{{ref}}"
[[package]]
name = "voorbeeld.fhir.nl"
version = "1.0.0"
sha256 = "{sha(data)}"
[[tree]]
repository = "Een/scripts"
ref = "abc"
take = "output/STU3/Een-1-0/Test"
into = "qualification/STU3/Een-1-0/Test"
parts = ["XIS-Server", "_reference"]
files = 2
sha256 = "{digest}"
[[examples]]
repository = "Een/profielen"
ref = "1.0"
take = "Examples"
into = "examples/een"
fhir = "STU3"
json = ["een", "twee"]
xml = ["twee"]
''')
    return path


@pytest.fixture
def fetch(tool: ModuleType, table: Path, tmp_path: Path) -> Any:
    def run(*words: str) -> int:
        return int(tool.main(["--table", str(table), "--into", str(tmp_path / "shared"), *words]))

    return run


def test_everything_comes_into_the_layout_that_tests_expect(
    fetch: Any, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch("--strict") == 0
    shared = tmp_path / "shared"
    found = {path.relative_to(shared).as_posix() for path in shared.rglob("*") if path.is_file()}
    assert {path for path in found if not path.startswith(".fetched/")} == {
        "packages/voorbeeld.fhir.nl-1.0.0.tgz",
        "qualification/STU3/Een-1-0/Test/XIS-Server/een-json.xml",
        "qualification/STU3/Een-1-0/Test/_reference/p.xml",
        "examples/een/json/een.json",
        "examples/een/json/twee.json",
        "examples/een/xml/twee.xml",
    }
    made = json.loads((shared / "examples/een/json/een.json").read_text())
    assert made == {"resourceType": "Patient", "id": "een", "birthDate": "1980-02-03"}
    assert not [path for path in found if "unpacking" in path or path.endswith(".part")]
    assert f"GATEWAY_SHARED={shared}" in capsys.readouterr().out
    asked = len(place.asked)
    assert fetch("--strict") == 0
    assert len(place.asked) == asked, "what is there is not fetched again"


def test_only_what_is_asked_for(fetch: Any, place: Place, tmp_path: Path) -> None:
    assert fetch("--only", "packages") == 0
    assert [path for path, _ in place.asked] == ["/voorbeeld.fhir.nl/1.0.0"]
    assert not (tmp_path / "shared/examples").exists()


def test_a_download_that_breaks_off_goes_on_where_it_stopped(fetch: Any, place: Place) -> None:
    place.breaks = 2
    assert fetch("--only", "packages") == 0
    ranges = [wanted for _, wanted in place.asked]
    assert ranges[0] is None
    assert len(ranges) == 3
    assert all(wanted and wanted.startswith("bytes=") for wanted in ranges[1:])


def test_a_server_without_ranges_begins_anew(fetch: Any, place: Place) -> None:
    place.breaks, place.ranges = 1, False
    assert fetch("--only", "packages") == 0


def test_a_part_of_something_longer_is_thrown_away(fetch: Any, place: Place, tmp_path: Path) -> None:
    """A kept part that is no beginning of what is there now never becomes a file."""
    part = tmp_path / "shared/.fetched/voorbeeld.fhir.nl-1.0.0.tgz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 100_000)
    assert fetch("--only", "packages") == 0
    assert [wanted for _, wanted in place.asked] == ["bytes=100000-", None]


def test_a_place_that_keeps_breaking_off_is_a_fault_and_keeps_what_came(
    fetch: Any, place: Place, tmp_path: Path
) -> None:
    place.breaks = 99
    assert fetch("--only", "packages") == 1
    assert (tmp_path / "shared/.fetched/voorbeeld.fhir.nl-1.0.0.tgz.part").stat().st_size > 0
    assert not (tmp_path / "shared/packages").exists()
    place.breaks = 0
    assert fetch("--only", "packages") == 0


def test_one_thing_that_is_gone_keeps_nothing_else_away(
    fetch: Any, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del place.content["/voorbeeld.fhir.nl/1.0.0"]
    assert fetch() == 1
    assert "answers 404" in capsys.readouterr().out
    assert (tmp_path / "shared/examples/een/json/een.json").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (package(version="1.0.1"), "SHA-256"),
        (package()[:-200], "SHA-256"),
        (b"<html>please log in</html>", "SHA-256"),
    ],
    ids=["another", "cut off", "a page"],
)
def test_what_is_not_the_archive_of_the_table_is_refused(
    fetch: Any, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    place.content["/voorbeeld.fhir.nl/1.0.0"] = data
    assert fetch("--only", "packages") == 1
    assert said in capsys.readouterr().out
    assert not (tmp_path / "shared/packages").exists()


def test_a_rebuilt_package_is_held_to_what_came_first(
    fetch: Any, place: Place, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The registry's archive cannot equal a rebuilt one; it can be the same each time."""
    table.write_text(table.read_text().replace('version = "1.0.0"', 'version = "1.0.0"\nrebuilt = true', 1))
    place.content["/voorbeeld.fhir.nl/1.0.0"] = package(**{"package/more.json": b"{}"})
    assert fetch("--only", "packages", "--strict") == 1
    assert fetch("--only", "packages") == 0
    assert "other bytes than the copy" in capsys.readouterr().out
    (tmp_path / "shared/packages/voorbeeld.fhir.nl-1.0.0.tgz").unlink()
    place.content["/voorbeeld.fhir.nl/1.0.0"] = package(**{"package/other.json": b"{}"})
    assert fetch("--only", "packages") == 1
    assert "when it was first fetched" in capsys.readouterr().out


@pytest.mark.parametrize(
    "data", [package("iets.anders"), b"no archive", tarred({"x": b"y"})], ids=["name", "bytes", "tar"]
)
def test_a_rebuilt_package_is_at_least_the_package(
    fetch: Any, place: Place, table: Path, tmp_path: Path, data: bytes
) -> None:
    table.write_text(table.read_text().replace('version = "1.0.0"', 'version = "1.0.0"\nrebuilt = true', 1))
    place.content["/voorbeeld.fhir.nl/1.0.0"] = data
    assert fetch("--only", "packages") == 1
    assert not (tmp_path / "shared/packages").exists()


@pytest.mark.parametrize("path", ["scripts-abc/../../../out.xml", "/etc/out.xml", "scripts-abc/output/..\\out.xml"])
def test_an_archive_that_leads_elsewhere_is_refused_whole(
    fetch: Any, place: Place, tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place.content["/Een/scripts/tar.gz/abc"] = tarred({**SCRIPTS, path: b"out"})
    assert fetch("--only", "scripts") == 1
    assert "leads elsewhere" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*out.xml"))
    assert not (tmp_path / "shared/qualification").exists()
    assert not list((tmp_path / "shared/.fetched").glob("*.tar.gz")), "nor is it kept for the next time"


def test_links_in_an_archive_are_left_alone(fetch: Any, place: Place, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in SCRIPTS.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("scripts-abc/output/STU3/Een-1-0/Test/XIS-Server/link.xml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    place.content["/Een/scripts/tar.gz/abc"] = out.getvalue()
    assert fetch("--only", "scripts", "--strict") == 0
    assert not list((tmp_path / "shared/qualification").rglob("link.xml"))


def test_too_much_is_refused(
    tool: ModuleType, fetch: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "MOST_BYTES", 1_000)
    assert fetch() == 1
    assert "more than" in capsys.readouterr().out


def test_a_set_that_has_changed_is_told(fetch: Any, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    more = {"scripts-abc/output/STU3/Een-1-0/Test/XIS-Server/new-json.xml": b"<TestScript/>"}
    place.content["/Een/scripts/tar.gz/abc"] = tarred({**SCRIPTS, **more})
    assert fetch("--only", "scripts") == 0
    assert "3 files, not the 2" in capsys.readouterr().out
    assert fetch("--only", "scripts", "--strict") == 1


def test_an_example_that_is_gone_or_broken_is_told(
    fetch: Any, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.content["/Een/profielen/tar.gz/1.0"] = tarred(
        {"profielen-1.0/Examples/een.xml": PATIENT, "profielen-1.0/Examples/twee.xml": b"<Patient"}
    )
    assert fetch("--only", "examples") == 0
    assert "without 1 examples, among them twee" in capsys.readouterr().out


def test_no_part_of_the_way_is_without_tls(tool: ModuleType, tmp_path: Path) -> None:
    """A place that sends the client on to plain HTTP; only this machine itself may do without TLS."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "https":
            return httpx.Response(302, headers={"Location": "http://registry.example/elsewhere"})
        return httpx.Response(200, content=package())

    table = {"package": [{"name": "voorbeeld.fhir.nl", "version": "1.0.0", "sha256": sha(package())}]}
    with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as client:
        run = tool.Fetching(client, table, tmp_path, "https://registry.example")
        run.run(("packages",))
    assert "without TLS" in run.faults[0]
    assert not (tmp_path / "packages").exists()


def test_the_table_names_what_the_tests_read(tool: ModuleType) -> None:
    """Every package that a standard of ours names can be fetched, and every row has what it is held to."""
    import tomllib

    from profiles.standards.load import catalogue

    table = tomllib.loads(tool.TABLE.read_text("utf-8"))
    known = {(row["name"], row["version"]) for row in table["package"]}
    named = {pair for standard in catalogue().standards.values() for pair in standard.packages.items()}
    assert named <= known, sorted(named - known)
    assert all(len(row["sha256"]) == 64 for row in [*table["package"], *table["tree"]])
    assert {row["into"].partition("/")[0] for row in [*table["tree"], *table["examples"]]} == {
        "qualification",
        "examples",
    }


def test_the_table_is_what_is_here(tool: ModuleType) -> None:
    """Where the official material is, it is that of the table: packages byte for byte, scripts file for file."""
    import tomllib

    from shared import shared

    table = tomllib.loads(tool.TABLE.read_text("utf-8"))
    for row in table["package"]:
        archive = shared("packages", f"{row['name']}-{row['version']}.tgz")
        if not row.get("rebuilt"):
            assert sha(archive.read_bytes()) == row["sha256"]
    for row in table["tree"]:
        assert tool.tree_hash(shared(row["into"])) == (row["files"], row["sha256"])
