"""Mijn gegevens: a person without a PGO logs in here and reads, prints and takes along their own record."""
