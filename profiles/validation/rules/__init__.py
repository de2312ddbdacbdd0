"""The rules, one file each: every one makes checks at compile time that are run on plain data."""
