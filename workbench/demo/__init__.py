"""The demonstration: a small fictitious world, a PGO to visit it with, and nothing that production uses."""
