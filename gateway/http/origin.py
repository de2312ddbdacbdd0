"""Where an answer comes from: the header ``Gateway-Source`` (ADR 0009), a list of sources with numbers (RFC 9651).

``Gateway-Source: "epd";via=live;count=3, "epd";via=store;count=2``: three resources came out of the source for this
answer, two had been delivered to the gateway before.
"""

from collections import Counter
from collections.abc import Iterable

from gateway.collect.held import Held

HEADER = "gateway-source"


def origin(resources: Iterable[Held]) -> dict[str, str]:
    """The header for an answer with these resources; no header when there are none."""
    counts = Counter((held.source, "live" if held.live else "store") for held in resources)
    if not counts:
        return {}
    shown = (f'"{_quoted(source)}";via={via};count={count}' for (source, via), count in sorted(counts.items()))
    return {HEADER: ", ".join(shown)}


def _quoted(text: str) -> str:
    """A structured-field string holds printable ASCII only."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')
