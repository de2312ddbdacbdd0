"""Takes out of an environment what `leave-out.toml` names. For the build of the image; needs Python and `strip`.

slim.py ENVIRONMENT
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path


def leave_out(site: Path, rows: list[dict[str, object]]) -> int:
    """Remove what the rows name below a site-packages folder; how many bytes that frees.

    Raises SystemExit for a row that removes nothing: then its library has changed, and somebody should look.
    """
    freed = 0
    for row in rows:
        keep = set(map(str, row.get("keep", ())))  # type: ignore[call-overload]
        found = [
            path
            for pattern in row["paths"]  # type: ignore[attr-defined]
            for path in site.glob(str(pattern))
            if path.name.split(".")[0] not in keep
        ]
        if not found and not row.get("optional"):
            raise SystemExit(f"nothing is there any more of: {row['paths']} ({row['why']})")
        for path in found:
            files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
            freed += sum(one.stat().st_size for one in files)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return freed


def stripped(site: Path, rows: list[dict[str, list[str]]]) -> int:
    """Strip the compiled parts that the rows name; how many bytes that frees."""
    found = [path for row in rows for pattern in row["paths"] for path in site.glob(pattern)]
    before = sum(path.stat().st_size for path in found)
    subprocess.run(["strip", "--strip-debug", *found], check=True)
    return before - sum(path.stat().st_size for path in found)


if __name__ == "__main__":
    folder = next(Path(sys.argv[1]).glob("lib/python3*/site-packages"))
    table = tomllib.loads(Path(__file__).with_name("leave-out.toml").read_text("utf-8"))
    freed = leave_out(folder, table["leave_out"]), stripped(folder, table["strip"])
    sys.stdout.write(f"left out {freed[0] // 2**20} MiB, stripped {freed[1] // 2**20} MiB\n")
