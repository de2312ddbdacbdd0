"""The version of the installed gateway."""

from importlib.metadata import version

SOFTWARE = version("medmij-gateway")
