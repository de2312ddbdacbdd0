"""A disk that is full: everybody is told to come back, nothing is a fault of ours, and it heals when there is room."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flow.test_store_silent import all_refused, healthy, installation
from timing import until


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own; only root may make one."""
    disk = folder / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_told_and_heals(tmp_path: Path) -> None:
    with small_disk(tmp_path, 64) as disk:
        url = f"sqlite:///{disk}/gateway.db"
        with installation(url, url) as asks:
            assert healthy(asks)
            fill(disk / "other")
            # What SQLite's log had room for is written first.
            assert until(lambda: asks["authorize"]().status_code == 503)
            assert until(lambda: asks["ready"]().status_code == 503)
            all_refused(asks, "authorize", "push", "ready")
            (disk / "other").unlink()
            assert until(lambda: healthy(asks))


def fill(file: Path) -> None:
    """Take all that is left."""
    with file.open("wb", buffering=0) as other:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    os.write(other.fileno(), b"x" * size)
            except OSError:
                continue
