"""Abonneren and Notificeren: a PGO subscribes for a person, and is told that there is something new, not what."""
