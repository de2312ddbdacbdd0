"""Short names of code systems and profile bases (data/names.toml) written in full."""

import re
from collections.abc import Mapping


def full_value(text: str, names: Mapping[str, str]) -> str:
    """Write ``{sct}`` and the like in full; other placeholders stay."""
    return re.sub(r"\{([a-z0-9\-]+)\}", lambda found: names.get(found[1], found[0]), text)


def full_profile(text: str, names: Mapping[str, str]) -> str:
    """The canonical of a profile: ``N:zib-Problem`` in full."""
    short, colon, name = text.partition(":")
    return names[short] + name if colon and short in names else text
