"""The steps of the Dockerfile, without an engine: lock installed into an empty environment, wheel built and installed,
started as the image starts it with nothing writable but its data folder, and probed as the image probes itself.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from servers import free_port

ROOT = Path(__file__).parents[2]
COPIED = (
    "pyproject.toml", "README.md", "requirements.lock", "gateway", "profiles", "adapters", "auth", "deploy/image",
    "workbench",
)  # fmt: skip


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True,
        check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as the Dockerfile makes it for the image with the workbench; gives its folder.

    The other image is the same without the last step: see test_distributions.py.
    """
    folder = tmp_path_factory.mktemp("image")
    source, environment, build, wheels = (folder / name for name in ("src", "opt", "build", "wheels"))
    source.mkdir()
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "var", "build")
    for name in COPIED:
        origin = ROOT / name
        if origin.is_dir():
            shutil.copytree(origin, source / name, ignore=ignore)
        else:
            shutil.copy2(origin, source / name)
    run(sys.executable, "-m", "venv", build, cwd=folder)
    quiet = ("--quiet", "--disable-pip-version-check")
    run(build / "bin" / "pip", "install", *quiet, "pip>=24", "setuptools>=75", "wheel", cwd=source)
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    install = (build / "bin" / "pip", "--python", environment / "bin" / "python", "install", *quiet)
    run(*install, "--require-hashes", "-r", "requirements.lock", cwd=source)
    made = ("--no-deps", "--no-build-isolation", "--no-index", *quiet, "--wheel-dir", wheels)
    for name in (".", "./workbench"):
        run(build / "bin" / "pip", "wheel", *made, name, cwd=source)
    for wheel in sorted(wheels.iterdir()):
        run(*install, "--no-deps", "--no-index", wheel, cwd=source)
    if shutil.which("strip"):
        run(build / "bin" / "python", "deploy/image/slim.py", environment, cwd=source)
    shutil.rmtree(source)
    return environment


def test_the_dockerfile_has_these_steps() -> None:
    text = (ROOT / "Dockerfile").read_text()
    for needed in ("--require-hashes -r requirements.lock", "pip wheel --no-deps --no-build-isolation --no-index",
                   "slim.py /opt/gateway", "--wheel-dir /wheels .", "--wheel-dir /wheels ./workbench",
                   "USER 10001:10001",
                   'HEALTHCHECK', '["gateway", "healthcheck"]', 'CMD ["gateway", "serve"]'):  # fmt: skip
        assert needed in text
    copied = set(re.findall(r"^COPY (?!--from)([\w./ -]+?) [\w./]+$", text, re.MULTILINE))
    assert set(COPIED) <= {name for line in copied for name in line.split()} | {"requirements.lock"}
    # What is built without a target has no workbench, and starts in production unless it is told otherwise.
    assert text.rindex("FROM base AS production") > text.rindex("FROM base AS workbench")
    assert "ENV GATEWAY_MODE=production\nCOPY --from=build /opt/gateway /opt/gateway" in text
    compose = (ROOT / "compose.yaml").read_text()
    assert "target: ${GATEWAY_IMAGE:-workbench}" in compose
    assert "GATEWAY_MODE: ${GATEWAY_MODE:-test}" in compose
    for needed in ("read_only: true", "no-new-privileges:true", "cap_drop: [ALL]", "POSTGRES_PASSWORD: ${"):
        assert needed in compose


def test_the_installed_wheel_starts_and_is_healthy(image: Path, tmp_path: Path) -> None:
    port = str(free_port())
    environment = {
        "PATH": f"{image / 'bin'}:/usr/bin:/bin",
        "GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/gateway.db",
        "GATEWAY_LISTEN__PORT": port,
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/nonexistent",
    }
    gateway = image / "bin" / "gateway"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([gateway, "serve"], env=environment, cwd="/", stdout=log, stderr=log)
    try:
        for _ in range(100):
            probe = subprocess.run([gateway, "healthcheck"], env=environment, cwd="/", capture_output=True, check=False)
            if probe.returncode == 0 or process.poll() is not None:
                break
            time.sleep(0.2)
        assert probe.returncode == 0, (tmp_path / "log").read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(20)
    stopped = subprocess.run([gateway, "healthcheck"], env=environment, cwd="/", capture_output=True, check=False)
    assert stopped.returncode == 1


def test_the_wheel_holds_every_file_of_the_packages(image: Path) -> None:
    """Templates, tables, schemas, migrations and the demo world come along."""
    site = next((image / "lib").glob("python3*")) / "site-packages"
    tracked = subprocess.run(
        ["git", "ls-files", "gateway", "profiles", "adapters", "auth", "workbench"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    expected = set(filter(None, tracked)) - {"workbench/pyproject.toml"}
    assert not [name for name in expected if not (site / name).is_file()]
