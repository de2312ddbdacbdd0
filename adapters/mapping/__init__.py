"""A declarative mapping from rows to zib resources: read from YAML, compiled once, run per row. See docs/mapping.md."""
