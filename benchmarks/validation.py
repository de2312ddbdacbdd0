"""What validation costs: the evaluator on a population's resources, beside fhir.resources in the same run.

    python -m benchmarks.validation [--persons N]

By our own zib tables (profiles/zibs), so that nothing has to be fetched: profile, base rules and invariants, no verdict
cache, one process. fhir.resources checks the same bytes by base rules only.
"""

import argparse
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from fhir.resources.STU3 import get_fhir_model_class

from benchmarks.frame import Bench, Figure, best_of, finish, machine, options
from benchmarks.population import Copies, Population
from profiles import zibs
from profiles.fhir.codec import jsonio
from profiles.fhir.version import FhirVersion

MOST = 500


def validation(asked: argparse.Namespace, _folder: Path) -> Bench:
    """The whole benchmark."""
    population = Population(min(asked.persons, 20), asked.seed, asked.fullness)
    texts = [body for _, body in islice(Copies(population), MOST)]
    bodies = [jsonio.parse(text) for text in texts]
    size = sum(map(len, texts)) / len(texts)
    bench = Bench("validation", f"{len(texts)} resources of {size:,.0f} bytes, our own zib tables", machine())
    begin = time.process_time()
    checking = zibs.validator(FhirVersion.STU3, ())
    verdicts = {checking.validate(body).verdict for body in bodies}
    first = (time.process_time() - begin) * 1e3
    models = [(get_fhir_model_class(str(one["resourceType"])), text) for one, text in zip(bodies, texts, strict=True)]
    usable = [(model, text) for model, text in models if _readable(model.model_validate_json, text)]

    def theirs() -> None:
        for model, text in usable:
            model.model_validate_json(text)

    def ours() -> None:
        for body in bodies:
            checking.validate(body)

    base = best_of(theirs, len(usable), 2)
    note = f"verdicts: {', '.join(sorted(verdicts))}"
    bench.add(Figure("one resource", best_of(ours, len(bodies), 3), "us", base, "fhir.resources, base rules", note))
    bench.add(Figure("first answer and every profile compiled, once", first, "ms"))
    return bench


def _readable(read: Callable[[bytes], object], text: bytes) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def main() -> None:
    """Entry point."""
    asked = options(__doc__).parse_args()
    finish([validation(asked, Path())], asked.json)


if __name__ == "__main__":
    main()
