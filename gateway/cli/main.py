"""The command ``gateway``. Commands are loaded when they are used, so that none waits for what it does not need."""

import gc
import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points

import click

COMMANDS: Mapping[str, tuple[str, str]] = {
    "adapters": ("gateway.cli.adapters:adapters", "Sources: what they can deliver."),
    "audit": ("gateway.cli.audit:audit", "The access trail (NEN 7513)."),
    "backup": ("gateway.cli.backup:backup_command", "Copy consents, the access trail and keys, sealed."),
    "convert": ("gateway.cli.convert:convert_command", "Convert STU3 (zib 2017) to R4 (zib 2020), or back."),
    "db": ("gateway.cli.db:db", "The schema of the database."),
    "doctor": ("gateway.cli.doctor:doctor", "Check the configuration and what it depends on."),
    "exchange": ("gateway.cli.exchange:exchange", "Other institutions: send, list, show, cancel, pull."),
    "explain": ("gateway.cli.explain:explain", "Why a search finds what it finds, or nothing."),
    "healthcheck": ("gateway.cli.healthcheck:healthcheck", "Ask the running gateway whether it is ready."),
    "import": ("gateway.cli.import_:import_command", "Load FHIR files into the store."),
    "intake": ("gateway.cli.intake:intake", "What was pushed: the quarantine."),
    "keys": ("gateway.cli.keys:keys", "The keys that seal what is stored."),
    "lists": ("gateway.cli.lists:lists", "The MedMij lists: show, check, refresh."),
    "login": ("gateway.cli.login:login", "The login bridge: our SAML metadata."),
    "openapi": ("gateway.cli.openapi:openapi", "Write the OpenAPI documents."),
    "packages": ("gateway.cli.packages:packages", "FHIR definition packages: add, list."),
    "person": ("gateway.cli.person:person", "What is held of one person: show, export, erase by two people."),
    "questionnaire": ("gateway.cli.questionnaire:questionnaire", "Questionnaires for patients: offer, list, withdraw."),
    "release": ("gateway.cli.release:release", "What may be shown: withhold an item, show it before its time."),
    "report": ("gateway.cli.report:report", "Reports: quality, usage, evidence."),
    "restore": ("gateway.cli.backup:restore_command", "Put a backup into an empty store."),
    "retention": ("gateway.cli.retention:retention", "Remove what is past its time."),
    "serve": ("gateway.cli.serve:serve", "Run the service."),
    "share": ("gateway.cli.share:share", "What citizens sent: list, show, accept, decline."),
    "standards": ("gateway.cli.standards:standards", "The information standards that the gateway knows."),
    "store": ("gateway.cli.store:store", "The store: versions of a resource, and what changed."),
    "summary": ("gateway.cli.summary:summary_command", "The patient summary (IPS) of one person's FHIR files."),
    "terminology": ("gateway.cli.terminology:terminology", "The institution's own code systems: add, list."),
    "validate": ("gateway.cli.validate:validate", "Validate FHIR resources against profiles."),
}
"""Every command of the gateway: where it is, and its line in the help."""

INTERRUPTED = 2
"""As wrong usage: nothing, or not everything, was done."""
GROUP = "medmij_gateway.commands"
"""Entry points of other distributions, each a mapping like COMMANDS."""


def commands() -> Mapping[str, tuple[str, str]]:
    """Our commands, and those of other distributions that are installed; our own names cannot be taken."""
    modules: dict[str, tuple[str, str]] = {}
    for point in entry_points(group=GROUP):
        try:
            modules |= point.load()
        except Exception as fault:  # One that is broken must not keep the others from working.
            click.echo(f"gateway: the commands of {point.value} cannot be loaded: {fault}", err=True)
    return {**modules, **COMMANDS}


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted(commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now."""
        # Our own first: what others bring is not even looked for when one of ours is meant.
        found = COMMANDS.get(cmd_name) or commands().get(cmd_name)
        if found is None:
            return None
        module, attribute = found[0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help, without importing any command."""
        known = commands()
        with formatter.section("Commands"):
            formatter.write_dl([(name, known[name][1]) for name in sorted(known)])


@click.group(cls=Commands)
@click.version_option(package_name="medmij-gateway")
def cli() -> None:
    """An open, vendor-neutral MedMij gateway.

    Exit codes: 0 done, 1 something was found, 2 wrong usage or configuration.
    """


def main() -> None:
    """Run the command line."""
    # What is loaded now stays: looking through it for something to free costs a quarter of the start.
    gc.set_threshold(20_000, 20, 50)
    try:
        cli(standalone_mode=True)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
