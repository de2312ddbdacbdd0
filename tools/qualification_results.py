"""Write docs/qualification-results.md: every official set that reads, loaded into an empty gateway and run against it.

    python tools/qualification_results.py SCRIPTS [--out docs/qualification-results.md]

SCRIPTS is the folder that holds STU3 and R4 as Nictiz publishes them. The packages are taken from
GATEWAY_PACKAGE_CACHE or the usual package cache. Each set gets a database of its own; nothing else is touched.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

PROVIDER = "ziekenhuiszandoord"
PORT = 18480
GATEWAY = str(Path(sys.executable).parent / "gateway")


@dataclass(frozen=True)
class Set:
    """One run: a set, the service that it is tried on, and what to choose of it."""

    title: str
    folder: str
    service: str
    roles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


THIRD = ("DocumentReference/pdfa-documentreference3",)
READING = ("medmij-pdfa-xis-1-", "medmij-pdfa-xis-2-")
NO_MANIFEST = (("GATEWAY_RESOURCE_SERVER__DOCUMENT_MANIFEST", "false"),)
SETS = (
    Set("BgZ 3.x, MedMij", "STU3/BgZ-3-0/MedMij/Test", "48", ("XIS-Server",)),
    Set("Pregnancy card 1.x", "STU3/Geboortezorg-1-0/MedMij/Cert", "65", ("XIS-Server",)),
    Set("PDF/A 3.x, with manifests", "STU3/PDFA-3-0/MedMij/Test", "51", ("XIS-Server",), READING, THIRD),
    Set(
        "PDF/A 3.x, without manifests",
        "STU3/PDFA-3-0/MedMij/Test",
        "51",
        ("XIS-Server-NoManifest",),
        READING,
        THIRD,
        NO_MANIFEST,
    ),
    Set("Self measurements 2.x, serving", "STU3/SelfMeasurements-2-0/MedMij/Test", "52", ("Serving-XIS",)),
    Set("Vaccination-Immunization 2.x", "R4/Immunization-2-0/MedMij/Test", "63"),
    Set("Medication process 9 3.0.0-beta, step 3", "R4/MP9-3-0-0-beta/MedMij/Test", "9006"),
)


def main() -> None:
    """Run every set and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/qualification-results.md"))
    options = parser.parse_args()
    lines = [line(one, run(one, options.scripts)) for one in SETS]
    options.out.write_text(page(lines), "utf-8")


def run(chosen: Set, scripts: Path) -> dict[str, Any]:
    """The results.json of one set."""
    folder = str(scripts / chosen.folder)
    with tempfile.TemporaryDirectory() as work:
        database = f"sqlite:///{work}/gateway.db"
        environment = {**os.environ, **dict(chosen.settings), "GATEWAY_DATABASE_URL": database}

        def gateway(*words: str) -> None:
            subprocess.run([GATEWAY, *words], env=environment, check=False, stdout=subprocess.DEVNULL)

        gateway("db", "upgrade")
        skip = [word for pattern in chosen.skip for word in ("--skip", pattern)]
        gateway("qualify", "load", folder, "--provider", PROVIDER, "--service", chosen.service, *skip)
        server = subprocess.Popen(
            [GATEWAY, "serve", "--port", str(PORT)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            ready()
            choice = [word for role in chosen.roles for word in ("--role", role)]
            choice += [word for part in chosen.scripts for word in ("--script", part)]
            base = f"http://127.0.0.1:{PORT}/{PROVIDER}/{chosen.service}/fhir"
            gateway("qualify", "run", folder, "--base", base, "--report", f"{work}/report", "--parallel", "4", *choice)
        finally:
            server.terminate()
            server.wait(20)
        found: dict[str, Any] = json.loads(Path(work, "report", "results.json").read_text("utf-8"))
        return found


def ready() -> None:
    """Wait until the gateway serves."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{PORT}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit("the gateway did not start")


def line(chosen: Set, results: dict[str, Any]) -> str:
    """A row of the table."""
    scripts = [script for found in results["sets"] for script in found["scripts"]]
    counts = Counter(script["status"] for script in scripts)
    checks = Counter(
        action["status"]
        for script in scripts
        for test in script["tests"]
        for action in test["actions"]
        if action["kind"] != "operation"
    )
    other = ", ".join(f"{count} {status}" for status, count in counts.items() if status != "passed") or "-"
    seconds = sum(script["seconds"] for script in scripts)
    asserts = f"{checks['passed']:,} of {checks.total():,}"
    print(f"{chosen.title}: {counts['passed']} of {len(scripts)} scripts, {asserts} asserts", file=sys.stderr)
    return (
        f"| {chosen.title} | `{chosen.folder}` | {chosen.service} | {counts['passed']} of {len(scripts)} "
        f"| {other} | {asserts} | {seconds:.0f} |"
    )


def page(lines: list[str]) -> str:
    """The whole page."""
    day = datetime.now(UTC).date().isoformat()
    table = "\n".join(lines)
    return f"""# Results of the official qualification scripts

Every published set that only reads, loaded into an empty gateway and run against it over HTTP, in XML and JSON. Made by
`tools/qualification_results.py` on {day}, Python {platform.python_version()}, SQLite. Test
`tests/conformance/test_qualification_sets.py` proves the same on SQLite and PostgreSQL. A script has passed when every
assert of it was evaluated and held; one that holds with a warning, or in part, is counted apart. Asserts on profiles
were evaluated with the official packages. Seconds: the time of the scripts added up, four at a time.

| set | folder | service | scripts passed | other | asserts passed | seconds |
|---|---|---|---|---|---|---|
{table}

Service 9006 is a test number of ours: MedMij has not published one. The scripts of PDF/A that send (3.1 and 3.2)
belong to another data service and are not in these figures. One fixture of PDF/A is left out on loading
(`--skip {THIRD[0]}`): script 1.1 counts two current documents of its patient,
and the third is there for client tests.

These are our own runs. They do not replace a qualification by Nictiz.

## Do it yourself

```
gateway packages add ...                                   # the packages that the sets name, see qualify.md
gateway qualify load STU3/BgZ-3-0/MedMij/Test --provider {PROVIDER} --service 48
gateway serve --port 8080 &
gateway qualify run STU3/BgZ-3-0/MedMij/Test --role XIS-Server \\
  --base http://127.0.0.1:8080/{PROVIDER}/48/fhir --report report
```

For PDF/A without manifests: `GATEWAY_RESOURCE_SERVER__DOCUMENT_MANIFEST=false` for the gateway, and `--role
XIS-Server-NoManifest`. All of them at once: `python tools/qualification_results.py SCRIPTS`, with the folder that holds
`STU3` and `R4`.
"""


if __name__ == "__main__":
    main()
