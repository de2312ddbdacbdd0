"""Counting visits: one event for the end of each step, written in the transaction that ends it (RP-01)."""
