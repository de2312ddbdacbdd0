"""Information standards as rows: which requests a PGO may make, and what they answer."""
