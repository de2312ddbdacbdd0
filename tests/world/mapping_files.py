"""A mapping file that has to be right as a whole."""

from pathlib import Path

from adapters.mapping.faults import misconfigured
from adapters.mapping.file import MappingFile, parse_mapping, read_text


def read_mapping(path: Path) -> MappingFile:
    """Read a mapping file. Raises AdapterMisconfigured that names every place."""
    text = read_text(path)
    read, faults = parse_mapping(path.name, text, MappingFile)
    if read is None or faults:
        raise misconfigured(path.name, text, faults)
    return read
