"""What is left to the night is named with what stays by day, and exists."""

import tomllib
from pathlib import Path

TESTS = Path(__file__).parents[1]
PROOFS = tomllib.loads((TESTS / "nightly.toml").read_text("utf-8"))["proof"]


def test_every_proof_of_the_night_is_a_test_that_exists() -> None:
    for proof in PROOFS:
        path, _, name = proof["test"].partition("::")
        text = (TESTS.parent / path).read_text("utf-8")
        function = name.partition("[")[0]
        assert f"def {function}" in text, proof
        assert proof["beside"], proof


def test_no_proof_stands_twice() -> None:
    names = [proof["test"] for proof in PROOFS]
    assert len(names) == len(set(names))
