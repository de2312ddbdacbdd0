"""How fast validation is: through ``gateway validate --ndjson``, beside fhir.resources in the same run.

  python benchmarks/validation.py [--rounds N] [--shared DIR]

The resources are the official zib2017 and birth-care examples and the BgZ fixtures, with official packages: profile,
base rules and invariants, no verdict cache, one process. fhir.resources checks the same bytes by base rules only.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fhir.resources.STU3 import get_fhir_model_class  # noqa: E402

from profiles.fhir.codec import jsonio, xmlio  # noqa: E402
from profiles.fhir.errors import FormatError  # noqa: E402
from profiles.fhir.version import FhirVersion  # noqa: E402
from profiles.validation.run.evaluate import Validator  # noqa: E402
from profiles.validation.schema.definitions import Definitions  # noqa: E402
from profiles.validation.schema.packages import choose, install, installed  # noqa: E402

PACKAGES = ("nictiz.fhir.nl.stu3.geboortezorg@3.0.0", "nictiz.fhir.nl.stu3.zib2017@2.2.18")
LARGEST = 8_000
"""Documents with embedded files are left out: they would flatter the rate per byte."""
FOLDERS = ("examples/zib2017", "examples/geboortezorg", "qualification/STU3/BgZ-3-0")


def resources(shared: Path) -> Iterator[dict[str, object]]:
    """The resources to measure with."""
    from conformance.validation_data import filled

    for folder in FOLDERS:
        for path in sorted((shared / folder).rglob("*")):
            if path.suffix not in (".json", ".xml") or ("qualification" in folder and "_reference" not in path.parts):
                continue
            data = filled(path.read_text(encoding="utf-8-sig")).encode()
            try:
                yield jsonio.parse(data) if path.suffix == ".json" else xmlio.parse(data, FhirVersion.STU3)
            except FormatError:
                continue


def through_the_command(lines: list[bytes], rounds: int, cache: Path) -> None:
    """Feed the lines to the command; time the first answer, and the rest as a stream."""
    command = [sys.executable, "-m", "gateway.cli.validate", "--ndjson", "--package-cache", str(cache)]
    for package in PACKAGES:
        command += ["--package", package]
    block = b"".join(lines)
    with tempfile.TemporaryFile() as answers:
        begin = time.perf_counter()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(lines[0])
            process.stdin.flush()
            process.stdout.readline()
            first = time.perf_counter() - begin
            rates = []
            for number in range(rounds + 1):
                begin = time.perf_counter()
                feeder = _feed(process, block)
                for _ in lines:
                    answers.write(process.stdout.readline())
                feeder.join()
                spent = time.perf_counter() - begin
                if number == 0:
                    print(f"first answer after start     {first:8.2f} s")
                    print(f"all profiles compiled, once  {spent:8.2f} s for {len(lines)} resources")
                else:
                    rates.append(len(lines) / spent)
            process.stdin.close()
            process.wait()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"gateway validate --ndjson    {max(rates):8.0f} resources/s (median {sorted(rates)[len(rates) // 2]:.0f})")
    print(f"memory of the command        {peak:8.0f} MB")


def _feed(process: "subprocess.Popen[bytes]", block: bytes) -> threading.Thread:
    """Write the block from a thread, so that answers can be read meanwhile."""

    assert process.stdin is not None
    stream = process.stdin

    def run() -> None:
        stream.write(block)
        stream.flush()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def in_process(bodies: list[dict[str, object]], texts: list[bytes], rounds: int, cache: Path) -> None:
    """The evaluator alone, the time to compile every profile, and fhir.resources on the same bytes."""
    begin = time.perf_counter()
    validator = Validator(FhirVersion.STU3, Definitions(choose(installed(cache), FhirVersion.STU3, PACKAGES)))
    urls = [url for url in validator.definitions.urls() if not url.startswith("http://hl7.org/")]
    validator.prepare(urls)
    print(f"compile {len(urls)} profiles         {time.perf_counter() - begin:8.2f} s")
    for body in bodies:
        validator.validate(body)
    rate = _rate(lambda: [validator.validate(body) for body in bodies], len(bodies), rounds)
    print(f"evaluator alone              {rate:8.0f} resources/s")
    models = [(get_fhir_model_class(str(body["resourceType"])), text) for body, text in zip(bodies, texts, strict=True)]
    usable = []
    for model, text in models:
        try:
            model.model_validate_json(text)
        except ValueError:
            continue
        usable.append((model, text))

    def run() -> list[object]:
        return [model.model_validate_json(text) for model, text in usable]

    rate = _rate(run, len(usable), max(1, rounds // 4))
    print(f"fhir.resources, base rules   {rate:8.0f} resources/s (of {len(usable)} that it can read)")


def _rate(run: Callable[[], object], count: int, rounds: int) -> float:
    best = 0.0
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        best = max(best, count / (time.perf_counter() - begin))
    return best


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("GATEWAY_SHARED", ROOT.parent / "shared")))
    options = parser.parse_args()
    bodies = [body for body in resources(options.shared) if len(jsonio.dump(body)) <= LARGEST]
    texts = [jsonio.dump(body) for body in bodies]
    print(f"{len(bodies)} resources, mean {sum(map(len, texts)) / len(texts):.0f} bytes")
    lines = [b'{"id":%d,"fhir":"stu3","resource":%s}\n' % (number, text) for number, text in enumerate(texts)]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        for archive in sorted((options.shared / "packages").glob("*r3.core*.tgz")) + sorted(
            (options.shared / "packages").glob("*stu3.*.tgz")
        ):
            install(archive.read_bytes(), cache)
        through_the_command(lines, options.rounds, cache)
        in_process(bodies, texts, options.rounds, cache)


if __name__ == "__main__":
    main()
