"""Import of a population, cold and with validation: resources per second of one core, memory, size of the store.

    python benchmarks/importing.py [--persons N] [--seed N] [--database URL] [--again]

The population of `benchmarks.population` is written as NDJSON, a file per type, as a bulk export gives it, and imported
by the command itself in a process of its own with an empty store. Processor time counts, of all threads, with what
starting costs. The baseline is validating the same resources in this process, nothing else, cold as well.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frame import Bench, Figure, machine
from benchmarks.population import PROVIDER, SOURCE, Population, write_ndjson
from gateway.quality.verdicts import Verdicts
from profiles.fhir.codec import jsonio
from profiles.fhir.version import FhirVersion


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder, packages = Path(scratch, "population"), Path(scratch, "packages")
        folder.mkdir()
        count = write_ndjson(Population(arguments.persons, arguments.seed), folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        url = arguments.database or f"sqlite:///{scratch}/import.db"
        environment = {**os.environ, "GATEWAY_DATABASE_URL": url, "GATEWAY_PACKAGE_CACHE": str(packages)}
        _gateway(environment, "db", "upgrade")
        told = f"{count} resources of {arguments.persons} persons, {size / count:.0f} bytes on average"
        bench = Bench("import", told, machine(url))
        plain = count / _validated(folder, packages)
        bench.add(Figure("validation alone", plain, "resources/s"))
        for turn in ("cold", "again")[: 2 if arguments.again else 1]:
            seconds, memory = _imported(environment, folder)
            note = f"{memory:.0f} MB at most"
            bench.add(Figure(f"import, {turn}", count / seconds, "resources/s", plain, "validation alone", note))
        if not arguments.database:
            stored = sum(file.stat().st_size for file in Path(scratch).glob("import.db*"))
            bench.add(Figure("store divided by input", stored / size, "times", note=f"{stored / 1e6:.0f} MB"))


def _validated(folder: Path, packages: Path) -> float:
    """Processor seconds of parsing and validating everything once."""
    began, verdicts = time.process_time(), Verdicts(str(packages))
    for file in folder.iterdir():
        with file.open("rb") as lines:
            for line in lines:
                found = jsonio.parse(line)
                verdicts.report(FhirVersion.STU3, found, line)
    return time.process_time() - began


def _imported(environment: dict[str, str], folder: Path) -> tuple[float, float]:
    """Processor seconds and most megabytes of one import."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _gateway(environment, "import", str(folder), "--provider", PROVIDER, "--source", SOURCE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, after.ru_maxrss / 1024


def _gateway(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-c", "from gateway.cli.main import main; main()", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="", help="an empty database; left out: SQLite in a folder that goes")
    parser.add_argument("--again", action="store_true", help="import the same a second time, which changes nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
