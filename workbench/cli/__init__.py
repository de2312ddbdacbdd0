"""The commands of the workbench. ``gateway`` finds this table by entry point, and imports a command when it is used."""

from collections.abc import Mapping

COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("workbench.cli.demo:demo", "The demo world: serve it, or visit it from the terminal."),
    "pgo": ("workbench.cli.pgo:pgo", "Be a PGO: visit any DVA, refresh, revoke."),
    "qualify": ("workbench.cli.qualify:qualify", "Run qualification scripts: load, run."),
    "tokens": ("workbench.cli.tokens:tokens", "Access tokens for test sets (test mode only)."),
}
"""Where each command is, and its line in the help (``gateway.cli.main.COMMANDS``)."""
