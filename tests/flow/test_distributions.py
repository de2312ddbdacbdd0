"""Two distributions: the gateway runs in production without a workbench, and with one its commands are there.

Both wheels are built as for a release and installed into an environment that has the locked packages and nothing else
of ours; the commands run from an empty folder.
"""

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from security.pki import SERVER, Pki
from servers import free_port
from unit.auth_lists import listdocs as docs

ROOT = Path(__file__).parents[2]
BENCH = {"demo", "pgo", "qualify", "tokens"}
HOST, FRONT = "fhir.zandoord.example", "medmij.zandoord.example"


def ran(*command: str | Path, cwd: Path, code: int = 0, **environment: str) -> str:
    """What a command wrote; it must end with this exit code."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "PYTHON"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**clean, **environment}, capture_output=True, text=True,
        check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, built from what git tracks, without a network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    listed = ran("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in listed:
        if name.split("/")[0] not in ("tests", "docs", "benchmarks") and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    for folder in (source, source / "workbench"):
        ran(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, folder, cwd=source)
    return {path.name.split("-")[0]: path for path in out.glob("*.whl")}


class Installation:
    """An environment with the locked packages, in which wheels of ours can be installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.empty = folder / "empty"
        self.empty.mkdir(parents=True)
        venv.create(folder / "venv", with_pip=False)
        self.bin = folder / "venv" / "bin"
        (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
        (ours,) = {Path(path) for path in sys.path if path.endswith("site-packages")}
        for entry in ours.iterdir():
            if "medmij_gateway" not in entry.name and not entry.name.startswith("__editable__"):
                (site / entry.name).symlink_to(entry)

    def install(self, wheel: Path) -> None:
        """Add a wheel, with nothing that it depends on."""
        pip = (sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "--no-deps", "--no-index")
        ran(*pip, "--no-compile", "--quiet", "--disable-pip-version-check", wheel, cwd=self.empty)

    def gateway(self, *words: str, code: int = 0, **environment: str) -> str:
        """What ``gateway`` writes."""
        return ran(self.bin / "gateway", *words, cwd=self.empty, code=code, **environment)

    def python(self, program: str, code: int = 0) -> str:
        """What a program writes."""
        return ran(self.bin / "python", "-c", program, cwd=self.empty, code=code)

    def commands(self) -> set[str]:
        """The commands that the help lists."""
        listed = self.gateway("--help").partition("Commands:")[2].splitlines()
        return {line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "}


@pytest.fixture(scope="module")
def production(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The gateway alone."""
    made = Installation(tmp_path_factory.mktemp("production") / "all")
    made.install(wheels["medmij_gateway"])
    return made


@pytest.fixture(scope="module")
def bench(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The gateway and the workbench."""
    made = Installation(tmp_path_factory.mktemp("bench") / "all")
    made.install(wheels["medmij_gateway"])
    made.install(wheels["medmij_gateway_workbench"])
    return made


def test_each_wheel_holds_its_own_files_and_no_other(wheels: dict[str, Path]) -> None:
    tracked = set(ran("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines())
    for name, packages in (
        ("medmij_gateway", ("gateway", "auth", "adapters", "profiles")),
        ("medmij_gateway_workbench", ("workbench",)),
    ):
        with zipfile.ZipFile(wheels[name]) as archive:
            held = {path for path in archive.namelist() if ".dist-info/" not in path}
        expected = {path for path in tracked if path.startswith(tuple(f"{one}/" for one in packages))}
        assert held == {path for path in expected if (ROOT / path).is_file()} - {"workbench/pyproject.toml"}


def test_production_knows_no_workbench(production: Installation, bench: Installation) -> None:
    assert not BENCH & production.commands()
    assert {"serve", "doctor", "import"} <= production.commands()
    assert "ModuleNotFoundError" in production.python("import workbench", code=1)
    assert "No such command 'demo'" in production.gateway("demo", "serve", code=2)
    assert bench.commands() == production.commands() | BENCH


def test_test_mode_without_a_workbench_says_what_it_needs(production: Installation) -> None:
    """One line instead of a start; and a gateway that names its own providers and lists starts without one."""
    told = production.gateway("serve", code=2, GATEWAY_DATABASE_URL=f"sqlite:///{production.folder}/none.db")
    assert told.count("\n") == 1
    assert "pip install 'medmij-gateway[workbench]'" in told
    for words in (["doctor"], ["lists", "show"], ["import", "--provider", "zandoord", "."]):
        told = production.gateway(*words, code=1 if words == ["doctor"] else 2)
        assert "Traceback" not in told
    assert "unknown provider zandoord" in told


def test_the_commands_of_the_workbench_work_from_its_wheel(bench: Installation) -> None:
    """Its data came along: the world, the lists, the templates."""
    for name in ("qualify", "tokens"):
        assert "Usage: gateway" in bench.gateway(name, "--help")
    assert "pgo.demo.example" in bench.gateway("lists", "show", "clients")
    assert "30 vragen" in bench.gateway("demo", "visit")


def test_a_workbench_that_is_broken_is_told_and_keeps_nobody_from_working(
    wheels: dict[str, Path], tmp_path: Path
) -> None:
    """Production does not even look at it."""
    made = Installation(tmp_path / "all")
    for wheel in wheels.values():
        made.install(wheel)
    for file in made.folder.rglob("workbench/plugin.py"):
        file.write_text("raise RuntimeError('unfinished')\n")
    for mode in ("test", "production"):
        told = made.gateway("lists", "show", code=2, GATEWAY_MODE=mode)
        assert ("unfinished" in told) is (mode == "test")
        assert "Traceback" not in told
    for file in made.folder.rglob("workbench/cli/__init__.py"):
        file.write_text("raise RuntimeError('unfinished')\n")
    assert "unfinished" in made.gateway("--help")
    assert "unfinished" not in made.gateway("standards", "list")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An installation in production, behind a proxy that ends TLS."""
    (tmp_path / "pki").mkdir()
    pki = Pki(tmp_path / "pki")
    certificate, key = pki.issuing.issue(HOST, usages=[SERVER]).write(tmp_path, "back")
    folder = tmp_path / "lists"
    folder.mkdir()
    for name, data in (
        ("whitelist", docs.whitelist([FRONT, HOST])),
        ("oauthclientlist", docs.clients()),
        ("zorgaanbiederslijst", docs.providers()),
        ("gegevensdienstnamenlijst", docs.names()),
    ):
        (folder / f"{name}.xml").write_bytes(data)

    def secret() -> str:
        return json.dumps(base64.b64encode(secrets.token_bytes(32)).decode())

    file = tmp_path / "gateway.toml"
    file.write_text(f"""
mode = "production"
database_url = "sqlite:///{tmp_path}/gateway.db"
audit_key = {secret()}
[listen]
base_url = "https://{HOST}"
[tls]
peer = "proxy"
trust = "{pki.trust}"
crls = "{pki.crls}"
back_certificate = "{certificate}"
back_key = "{key}"
[lists]
source = "files"
folder = "{folder}"
[auth]
base_url = "https://{FRONT}"
pseudonym_key = {secret()}
seal_keys = {{ one = {secret()} }}
seal_with = "one"
login = {{ issuer = "https://inloggen.example" }}
[providers.ziekenhuiszandoord]
display_name = "Ziekenhuis Zandoord"
services = ["48"]
""")
    return file


@contextmanager
def serving(installation: Installation, config: Path) -> Iterator[httpx.Client]:
    """``gateway serve`` with this configuration, from when it is ready until the block ends."""
    port = free_port()
    log = config.parent / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [installation.bin / "gateway", "serve", "--config", config, "--port", str(port)],
            cwd=installation.empty, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            until = time.monotonic() + 60
            while True:
                assert process.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < until, log.read_text()[-2000:]
                try:
                    if http.get("/health/ready").status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield http
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("name", ["production", "bench"])
def test_production_starts_and_has_nothing_of_the_workbench(
    name: str, config: Path, request: pytest.FixtureRequest
) -> None:
    """Also where a workbench is installed, nothing of it is reachable."""
    installation: Installation = request.getfixturevalue(name)
    installation.gateway("db", "upgrade", "--config", str(config))
    # The names of hosts are those of nobody here: doctor says so, and nothing else is wrong.
    told = json.loads(installation.gateway("doctor", "--json", "--config", str(config), code=1))
    assert {one["what"].partition(" ")[0] for one in told if one["level"] == "error"} == {"host"}
    with serving(installation, config) as http:
        for path in ("/", "/demo-pgo/", "/demo-ehr/", "/idp/authorize", "/handbook/", "/static/x/logo.svg"):
            assert http.get(path).status_code == 404, path
        assert http.get("/oauth/authorize").status_code == 400


def test_what_the_workbench_needs_is_declared_and_locked() -> None:
    """Its packages are all that it imports; the lock of the gateway holds them, so that `make run` needs one lock."""
    project = tomllib.loads((ROOT / "workbench/pyproject.toml").read_text("utf-8"))
    wanted = {line.partition(">")[0].partition("=")[0] for line in project["project"]["dependencies"]}
    locked = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines()}
    assert wanted - {"medmij-gateway"} <= locked
    packages = set(project["tool"]["setuptools"]["packages"])
    folders = {path.parent for path in (ROOT / "workbench").rglob("*.py") if "build" not in path.parts}
    assert packages == {folder.relative_to(ROOT).as_posix().replace("/", ".") for folder in folders}
    main = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert main["project"]["version"] == project["project"]["version"]
    assert main["project"]["optional-dependencies"]["workbench"] == [
        f"medmij-gateway-workbench=={project['project']['version']}"
    ]
    assert f"medmij-gateway=={project['project']['version']}" in project["project"]["dependencies"]
