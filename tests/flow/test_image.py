"""The image as it is built and run, without a daemon: buildah builds the Dockerfile on a base of Debian's own packages.

`mmdebstrap` makes that base and gives it the name that the Dockerfile asks for. The image runs as its user, with
nothing writable but /data and /tmp, in a mount namespace of its own. Needs root, a package index and some minutes.
Where the machine has certificates of its own they are there during the build, not in the image.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import free_port
from unit.auth_lists import listdocs as docs

ROOT = Path(__file__).parents[2]
TOOLS = ("buildah", "mmdebstrap", "unshare", "chroot")
BASE = "docker.io/library/python:3.11-slim-bookworm"
LARGEST = 160_000_000
"""Bytes above the base."""
READY_SECONDS = 3.0
"""CPU time of a start until it is ready: what a pod waits on a core of its own."""
PATH = "/opt/gateway/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TRUST = Path("/etc/ssl/certs/ca-certificates.crt")

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason=f"needs root and {', '.join(TOOLS)}"
    ),
]


class Image:
    """The production image, mounted to be looked at and run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = Path()

    def buildah(self, *words: str | Path) -> str:
        where = ("--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver", "vfs")
        done = subprocess.run(
            ["buildah", *map(str, where), *map(str, words)], capture_output=True, text=True, check=False,
            env={**os.environ, "BUILDAH_ISOLATION": "chroot"}, timeout=1800,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.strip()

    def make(self) -> None:
        """Base, build, mount."""
        sources = next(Path("/etc/apt").glob("sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
        packages = "python3,python3-venv,python-is-python3,ca-certificates"
        made = ["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", f"--include={packages}", "bookworm"]
        subprocess.run([*made, self.folder / "base.tar", sources], check=True, timeout=1800)
        empty = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", empty, self.folder / "base.tar", "/")
        self.buildah("commit", "--quiet", empty, BASE)
        # What the machine says of package indexes, but for what lies on its own disk.
        (self.folder / "pip.conf").write_text(f"[global]\ncert = {TRUST}\n" + _index())
        self.buildah(
            "bud", "--pull-never", "--format", "docker", "--secret", f"id=pip,src={self.folder / 'pip.conf'}",
            "--volume", f"{TRUST}:{TRUST}:ro", "--tag", "gateway", ROOT,
        )  # fmt: skip
        self.root = Path(self.buildah("mount", self.buildah("from", "--pull-never", "gateway")))

    def size(self, name: str) -> int:
        """Bytes of all layers, as buildah tells them."""
        number, unit = json.loads(self.buildah("images", "--json", name))[0]["size"].split()
        return int(float(number) * {"KB": 1e3, "MB": 1e6, "GB": 1e9}[unit])

    def start(self, data: Path, *words: str, **more: Any) -> subprocess.Popen[str]:
        """Run a command in the image: read-only but for /data and /tmp, as its user, with no way to more rights."""
        script = f"""
            mount --bind {self.root} {self.root}
            mount -o remount,ro,bind {self.root}
            mount --bind {data} {self.root}/data
            mount --bind /dev {self.root}/dev
            mount -t tmpfs tmpfs {self.root}/tmp
            exec chroot --userspec=10001:10001 {self.root} setpriv --no-new-privs -- "$@"
        """
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh", *words]
        return subprocess.Popen(command, text=True, **more)

    def run(self, data: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The same to its end."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.start(data, *words, env={"PATH": PATH, **environment}, **pipes) as process:
            out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(words, process.returncode, out, err)


def _index() -> str:
    index = os.environ.get("PIP_INDEX_URL", "")
    return f"index-url = {index}\n" if index else ""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    made = Image(tmp_path_factory.mktemp("image"))
    made.make()
    yield made
    made.buildah("umount", "--all")
    made.buildah("rm", "--all")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What the institution mounts: a folder for the store, with the lists in it."""
    folder = tmp_path / "data"
    (folder / "lists").mkdir(parents=True)
    for name, content in (
        ("whitelist", docs.whitelist()), ("oauthclientlist", docs.clients()),
        ("zorgaanbiederslijst", docs.providers()), ("gegevensdienstnamenlijst", docs.names()),
    ):  # fmt: skip
        (folder / "lists" / f"{name}.xml").write_bytes(content)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 10001, 10001)
    return folder


def settings_for(port: int) -> dict[str, str]:
    provider = {"zandoord": {"display_name": "Zandoord", "services": ["48"]}}
    return {
        "PATH": PATH,
        "PYTHONDONTWRITEBYTECODE": "1",
        "GATEWAY_MODE": "test",
        "GATEWAY_DATABASE_URL": "sqlite:////data/gateway.db",
        "GATEWAY_LISTEN__PORT": str(port),
        "GATEWAY_LISTS__SOURCE": "files",
        "GATEWAY_LISTS__FOLDER": "/data/lists",
        "GATEWAY_PROVIDERS": json.dumps(provider),
    }


def test_it_is_small_and_holds_only_what_runs(image: Image) -> None:
    above = image.size("gateway") - image.size(BASE)
    site = next(image.root.glob("opt/gateway/lib/python3*/site-packages"))
    absent = ("pip", "setuptools", "PIL", "pygments", "workbench")
    assert not [name for name in absent if (site / name).exists()]
    assert not [name for name in ("etc/pip.conf", "root/.cache") if (image.root / name).is_file()]
    assert (image.root / "usr/share/fonts/truetype/dejavu/DejaVuSans.ttf").is_file()
    ours = ["git", "ls-files", "gateway", "profiles", "adapters", "auth"]
    tracked = subprocess.run(ours, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in tracked if not (site / name).is_file()]
    print(f"above the base: {above / 1e6:.0f} MB")
    assert above <= LARGEST


def test_it_is_ready_as_its_user_with_a_read_only_root(image: Image, data: Path) -> None:
    """The best of three starts counts: what else the machine does is no matter of the image."""
    used = []
    for _ in range(3):
        used.append(started(image, data))
        if used[-1] < READY_SECONDS:
            break
    print(f"ready after {min(used):.1f} s of CPU")
    assert min(used) < READY_SECONDS
    assert "Read-only file system" in image.run(data, "touch", "/opt/x").stderr
    # What it wrote in its data folder is for nobody else.
    assert (data / "gateway.db").stat().st_mode & 0o077 == 0


def started(image: Image, data: Path) -> float:
    """Start it, see that it is ready and what it may do, stop it; the seconds of CPU until it was ready."""
    port = free_port()
    settings = settings_for(port)
    with (data.parent / "log").open("wb") as log:
        begun = time.monotonic()
        process = image.start(data, "gateway", "serve", env=settings, stdout=log, stderr=log)
        try:
            ready = False
            while not ready and process.poll() is None and time.monotonic() - begun < 120:
                try:
                    ready = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200
                except httpx.HTTPError:
                    time.sleep(0.02)
            assert ready, (data.parent / "log").read_text()[-3000:]
            stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert "Uid:\t10001\t10001\t10001\t10001" in status
            assert "CapEff:\t0000000000000000" in status
            assert "NoNewPrivs:\t1" in status
            assert image.run(data, "gateway", "healthcheck", **settings).returncode == 0
            return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        finally:
            process.terminate()
            process.wait(20)


PROGRAM = """
from profiles.fhir.tables.library import PACKAGES
import importlib, pkgutil
for package in PACKAGES.values():
    home = importlib.import_module(package)
    for one in pkgutil.iter_modules(home.__path__):
        importlib.import_module(f'{package}.{one.name}')
import gateway.app, gateway.cli.doctor, pikepdf, fpdf
pdf = fpdf.FPDF()
pdf.add_page()
pdf.add_font('dejavu', fname='/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf')
pdf.set_font('dejavu', size=12)
pdf.cell(text='Medische gegevens \\u20ac \\u2265')
pdf.output('/tmp/out.pdf')
assert pikepdf.open('/tmp/out.pdf').pages
from gateway.cli.main import COMMANDS
for path, _ in COMMANDS.values():
    importlib.import_module(path.partition(':')[0])
print('whole')
"""


def test_what_was_left_out_is_not_missed(image: Image, data: Path) -> None:
    """Every model of both releases, every command, and a PDF with the font that Mijn gegevens embeds."""
    program = data / "program.py"
    program.write_text(PROGRAM)
    program.chmod(0o644)
    done = image.run(data, "python", "/data/program.py")
    assert done.stdout.strip() == "whole", done.stderr[-3000:]


def test_production_in_the_image_says_what_it_refuses(image: Image, data: Path) -> None:
    done = image.run(data, "gateway", "serve", GATEWAY_MODE="production")
    assert done.returncode == 2
    assert "refused: " in done.stderr
    assert "Traceback" not in done.stderr
