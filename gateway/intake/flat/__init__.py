"""Flat files of a source: CSV and fixed width, from a folder that is watched."""
