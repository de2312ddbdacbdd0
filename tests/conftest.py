"""Fixtures that every test may use."""

import os
import tempfile
import tomllib
from pathlib import Path

import pytest
from databases import POSTGRES
from hypothesis import HealthCheck, settings
from shared import NO_POSTGRES, lacking, shared

from profiles.validation.schema.packages import install

# How long an example takes is a matter of the machine; what must be cheap is measured where it is tested.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# No test sees the package cache of whoever runs it: only what the test itself puts into one.
os.environ["GATEWAY_PACKAGE_CACHE"] = tempfile.mkdtemp(prefix="gateway-no-packages-")


@pytest.fixture(scope="session")
def package_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package cache with all shared official packages."""
    cache = tmp_path_factory.mktemp("packages")
    for archive in sorted(shared("packages").glob("*.tgz")):
        install(archive.read_bytes(), cache)
    return cache


@pytest.fixture
def official_packages(package_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official packages are in the package cache that the process uses."""
    monkeypatch.setitem(os.environ, "GATEWAY_PACKAGE_CACHE", str(package_cache))


NIGHTLY = tuple(one["test"] for one in tomllib.loads((Path(__file__).parent / "nightly.toml").read_text())["proof"])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What nightly.toml names is nightly."""
    for item in items:
        if item.nodeid.startswith(NIGHTLY):
            item.add_marker("nightly")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without PostgreSQL what is marked as needing it is skipped, in plain sight."""
    if POSTGRES == "none" and item.get_closest_marker("postgres") is not None:
        pytest.skip(NO_POSTGRES)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line in place of some two hundred: how many tests want official material, and the command that fetches it."""
    skipped = terminalreporter.stats.get("skipped", [])
    if line := lacking(report.longrepr for report in skipped):
        apart = [report for report in skipped if lacking([report.longrepr])]
        terminalreporter.stats["skipped"] = [report for report in skipped if report not in apart]
        terminalreporter.stats["skipped for want of material"] = apart
        terminalreporter.write_line(line)
