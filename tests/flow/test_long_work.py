"""Long work beside short: a small read is answered while a large transaction or validation is under way."""

from pathlib import Path

from databases import database

from benchmarks.long_work import entries, keys, measure
from benchmarks.population import Population
from benchmarks.reads import prepare


def test_small_reads_are_answered_beside_a_large_transaction_and_a_large_validation(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url:
        prepare(url, Population(2, 1, 0.3), 1)
        times, wrong, statuses = measure(url, (entries(2_000), keys(200_000)))
    assert statuses == {"a transaction": 200, "a validation": 200}
    # On a busy machine SQLite's one writer may keep an access record waiting until its reader is told to come back.
    assert set(wrong) <= {503}
    # Work that holds the loop lets one read through at most, the one that came before it.
    assert min(len(times["a transaction"]), len(times["a validation"])) - len(wrong) >= 3
