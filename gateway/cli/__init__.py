"""The command line: each command calls one service and turns its result into an exit code."""
