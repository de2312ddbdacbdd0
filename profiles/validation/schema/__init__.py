"""Definitions: read from packages or our own tables, repaired where known to be wrong, merged into trees."""
