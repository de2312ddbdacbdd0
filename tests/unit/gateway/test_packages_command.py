"""gateway packages: from files and from a registry on loopback into the cache."""

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.packages import packages


def archive(name: str, version: str, **dependencies: str) -> bytes:
    manifest = {"name": name, "version": version, "fhirVersions": ["3.0.2"], "dependencies": dependencies}
    data = json.dumps(manifest).encode()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        member = tarfile.TarInfo("package/package.json")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


class Registry:
    """A small npm registry: what it holds, and where its archives are said to be."""

    def __init__(self) -> None:
        self.held = {
            ("test.top", "1.0.0"): archive("test.top", "1.0.0"),
            ("test.top", "2.0.0"): archive("test.top", "2.0.0", **{"test.base": "1.0.x"}),
            ("test.base", "1.0.3"): archive("test.base", "1.0.3"),
        }
        self.elsewhere = ""
        self.url = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        parts = path.strip("/").split("/")
        if len(parts) == 2:
            found = self.held.get((parts[0], parts[1]))
            return (200, found) if found else (404, b"")
        versions: dict[str, Any] = {
            version: {"name": name, "dist": {"tarball": f"{self.elsewhere or self.url}/{name}/{version}"}}
            for name, version in self.held
            if name == parts[0]
        }
        return (200, json.dumps({"versions": versions}).encode()) if versions else (404, b"")


@pytest.fixture
def registry() -> Iterator[Registry]:
    """The registry, served on loopback."""
    held = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = held.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (idem)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield held
    server.shutdown()
    server.server_close()
    thread.join()


def run(cache: Path, *args: str) -> Result:
    return CliRunner().invoke(packages, [*args, "--package-cache", str(cache)])


def test_a_file_is_added_and_listed_with_what_it_still_needs(tmp_path: Path) -> None:
    file = tmp_path / "top.tgz"
    file.write_bytes(archive("test.top", "2.0.0", **{"test.base": "1.0.x"}))
    result = run(tmp_path / "cache", "add", str(file))
    assert result.exit_code == 0
    assert "added test.top@2.0.0" in result.output
    assert "needs test.base@1.0.x" in result.output
    listed = run(tmp_path / "cache", "list")
    assert "test.top@2.0.0" in listed.output
    assert "needs test.base@1.0.x" in listed.output


def test_the_newest_version_comes_from_the_registry_with_its_dependencies(tmp_path: Path, registry: Registry) -> None:
    result = run(tmp_path, "add", "test.top", "--registry", registry.url, "--with-dependencies")
    assert result.exit_code == 0, result.output
    assert "added test.top@2.0.0" in result.output
    assert "added test.base@1.0.3 (needed by test.top@2.0.0)" in result.output
    assert sorted(one.name for one in tmp_path.iterdir()) == ["test.base#1.0.3", "test.top#2.0.0"]


def test_one_version_from_the_registry(tmp_path: Path, registry: Registry) -> None:
    assert "added test.top@1.0.0" in run(tmp_path, "add", "test.top@1.0.0", "--registry", registry.url).output


@pytest.mark.parametrize("name", ["test.absent", "test.top@9.9.9", "no-such.tgz"])
def test_what_is_not_there_is_one_clear_line(tmp_path: Path, registry: Registry, name: str) -> None:
    result = run(tmp_path, "add", name, "--registry", registry.url)
    assert result.exit_code == 2
    assert name.partition("@")[0] in result.output
    assert len(result.output.splitlines()) == 1


def test_without_a_registry_a_name_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path, "add", "test.top").exit_code == 2


def test_a_registry_that_points_elsewhere_is_refused(tmp_path: Path, registry: Registry) -> None:
    registry.elsewhere = "http://other.example.org"
    result = run(tmp_path, "add", "test.top@1.0.0", "--registry", registry.url)
    assert result.exit_code == 2
    assert "another host" in result.output


def test_the_list_says_what_the_standards_name(tmp_path: Path) -> None:
    """SC-I1: what a standard needs and is not here is listed as not installed."""
    result = run(tmp_path, "list", "--json")
    rows = {(row["name"], row["version"]): row for row in json.loads(result.output)}
    row = rows["nictiz.fhir.nl.stu3.zib2017", "2.2.18"]
    assert row["status"] == "not installed"
    assert "bgz-3" in row["standards"]
