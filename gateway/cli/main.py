"""The command ``gateway``. Commands are loaded when they are used, so that none waits for what it does not need."""

import importlib
from collections.abc import Mapping

import click

from gateway.cli.context import USAGE

COMMANDS: Mapping[str, tuple[str, str]] = {
    "adapters": ("gateway.cli.adapters:adapters", "Sources: what they can deliver."),
    "audit": ("gateway.cli.audit:audit", "The access trail (NEN 7513)."),
    "db": ("gateway.cli.db:db", "The schema of the database."),
    "demo": ("workbench.cli.demo:demo", "The demo world: serve it, or visit it from the terminal."),
    "doctor": ("gateway.cli.doctor:doctor", "Check the configuration and what it depends on."),
    "healthcheck": ("gateway.cli.healthcheck:healthcheck", "Ask the running gateway whether it is ready."),
    "import": ("gateway.cli.import_:import_command", "Load FHIR files into the store."),
    "intake": ("gateway.cli.intake:intake", "What was pushed: the quarantine."),
    "keys": ("gateway.cli.keys:keys", "The keys that seal what is stored."),
    "lists": ("gateway.cli.lists:lists", "The MedMij lists: show, check, refresh."),
    "openapi": ("gateway.cli.openapi:openapi", "Write the OpenAPI documents."),
    "packages": ("gateway.cli.packages:packages", "FHIR definition packages: add, list."),
    "pgo": ("workbench.cli.pgo:pgo", "Be a PGO: visit any DVA, refresh, revoke."),
    "qualify": ("workbench.cli.qualify:qualify", "Run qualification scripts: load, run."),
    "report": ("gateway.cli.report:report", "Reports: quality, usage, evidence."),
    "serve": ("gateway.cli.serve:serve", "Run the service."),
    "standards": ("gateway.cli.standards:standards", "The information standards that the gateway knows."),
    "store": ("gateway.cli.store:store", "The store: versions of a resource, and what changed."),
    "tokens": ("workbench.cli.tokens:tokens", "Access tokens for test sets (test mode only)."),
    "validate": ("gateway.cli.validate:validate", "Validate FHIR resources against profiles."),
}
"""Every command: where it is, and its line in the help."""


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        found = getattr(importlib.import_module(module), attribute)
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.group(cls=Commands)
@click.version_option(package_name="medmij-gateway")
def cli() -> None:
    """An open, vendor-neutral MedMij gateway.

    Exit codes: 0 done, 1 something was found, 2 wrong usage or configuration.
    """


def main() -> None:
    """Run the command line."""
    try:
        cli(standalone_mode=True)
    except KeyboardInterrupt:
        raise SystemExit(USAGE) from None
