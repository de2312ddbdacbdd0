"""The authorization stories have a house on each database."""

from world.auth_fixtures import anyio_backend, engine, engines, house, house_with

__all__ = ["anyio_backend", "engine", "engines", "house", "house_with"]
