"""How the tables of base facts are made: the library's metadata, reviewed corrections, official definitions."""
