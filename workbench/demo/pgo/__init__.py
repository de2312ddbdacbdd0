"""The demo PGO: a client like any other, with the same knowledge of the gateway that a vendor has."""
