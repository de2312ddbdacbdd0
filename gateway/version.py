"""The version of the installed gateway."""

from importlib.metadata import version

SOFTWARE = version("medmij-gateway")

RELEASED = "2026-11-22"
"""The day of this release, shown in the CapabilityStatement."""
