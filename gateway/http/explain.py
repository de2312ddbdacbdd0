"""The header ``Gateway-Explain``: asked for by a request that has it, and answered in test mode only."""

from gateway.collect.explain import Explanation

EXPLAIN = b"gateway-explain"
LONGEST = 2_000
"""Characters of the header, within what proxies let through."""


def header_of(why: Explanation) -> dict[str, str]:
    """The explanation in one line of printable ASCII; what does not fit is left out, and said to be."""
    text = "; ".join(why.lines())
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return {EXPLAIN.decode(): plain if len(plain) <= LONGEST else f"{plain[:LONGEST]} ..."}
