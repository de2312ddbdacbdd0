"""All benchmarks in one run: ``make bench``, or ``python -m benchmarks [--only reads,...] [--persons N] ...``."""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.authorization import authorization
from benchmarks.codec import codec
from benchmarks.frame import Bench, finish, options
from benchmarks.intake import intake
from benchmarks.live_visit import live_visit
from benchmarks.reads import reads
from benchmarks.search import search
from benchmarks.validation import validation

EVERY: Mapping[str, Callable[[argparse.Namespace, Path], Bench]] = {
    "reads": reads,
    "authorization": authorization,
    "intake": intake,
    "live": live_visit,
    "validation": validation,
    "search": search,
    "codec": codec,
}


def main(arguments: list[str] | None = None) -> list[Bench]:
    """Run what is asked, one after the other; with a database only what can share it."""
    parser = options(__doc__)
    parser.add_argument("--only", default=",".join(EVERY), help=f"some of {','.join(EVERY)}")
    parser.add_argument("--visits", type=int, default=10, help="visits to the live source")
    parser.add_argument("--milliseconds", type=int, default=200, help="time of each call at the live source")
    parser.add_argument("--resources", type=int, default=2_000, help="how many are pushed, about")
    asked = parser.parse_args(arguments)
    chosen = asked.only.split(",")
    if unknown := [name for name in chosen if name not in EVERY]:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(EVERY)}")
    if asked.database and {"reads", "intake"} <= set(chosen):
        parser.error("a database takes reads or intake: each needs an empty one; choose with --only")
    done = []
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            done.append(EVERY[name](asked, Path(folder)))
    finish(done, asked.json)
    return done


if __name__ == "__main__":
    main()
