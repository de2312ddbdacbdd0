"""Static files of the pages: a closed list, read once."""

import functools
from importlib import resources

MEDIA_TYPES = {"style.css": "text/css; charset=utf-8", "medmij.svg": "image/svg+xml", "icon.svg": "image/svg+xml"}


@functools.cache
def static_file(name: str) -> bytes:
    """The bytes of one of the known files. Raises KeyError for any other name."""
    if name not in MEDIA_TYPES:
        raise KeyError(name)
    return resources.files("auth.pages.static").joinpath(name).read_bytes()
