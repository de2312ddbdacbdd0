"""A PGO's side of the line: the OAuth conversation and the searches, against this gateway or any other DVA."""
