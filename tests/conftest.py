"""Fixtures that every test may use."""

import os
import tempfile
from pathlib import Path

import pytest
from shared import shared

from profiles.validation.schema.packages import install

# No test sees the package cache of whoever runs it: only what the test itself puts into one.
os.environ["GATEWAY_PACKAGES"] = tempfile.mkdtemp(prefix="gateway-no-packages-")


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
    monkeypatch.setitem(os.environ, "GATEWAY_PACKAGES", str(package_cache))
