"""Repair rule sets that come with the adapter."""
