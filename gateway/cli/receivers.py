"""gateway validate --receiver: what becomes of resources at an app that collects them."""

import shlex
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import click

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.receivers.judge import Fate, judge
from profiles.receivers.load import Receiver

SECONDS = 600
"""Time for the parser of the tester, for all resources together."""


class ParserError(Exception):
    """The parser that the tester gave did not answer a line for each resource."""


def told(
    receiver: Receiver, named: Iterable[tuple[str, bytes]], version: FhirVersion | None, parser: str | None
) -> bool:
    """Print the fate of each resource, and of how many; True when one of them is not seen.

    ``parser`` is a command of the tester: it reads a line per resource and answers one for each. Raises ParserError.
    """
    found = list(_resources(receiver, named, version))
    answers = _parsed(parser, [one for _, one, _ in found]) if parser else [""] * len(found)
    fates: list[Fate] = []
    for (name, resource, release), answer in zip(found, answers, strict=True):
        fate = judge(receiver, resource, release)
        fates.append(fate)
        what = f"{resource.get('resourceType')}/{resource.get('id', '')}"
        click.echo(f"{name}: {what}: {fate.outcome}: {fate.why}" + (f" | {answer}" if parser else ""))
    counts = Counter(str(fate.outcome) for fate in fates)
    click.echo(f"{receiver.title}: " + (", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"))
    return not all(fate.good for fate in fates)


def _resources(
    receiver: Receiver, named: Iterable[tuple[str, bytes]], version: FhirVersion | None
) -> Iterator[tuple[str, Resource, FhirVersion]]:
    for name, data in named:
        try:
            whole = xmlio.parse(data, version or FhirVersion.STU3) if data.lstrip()[:1] == b"<" else jsonio.parse(data)
        except FormatError as fault:
            click.echo(f"{name}: cannot be read: {fault}", err=True)
            continue
        entries = whole.get("entry") if whole.get("resourceType") == "Bundle" else [{"resource": whole}]
        held = [one.get("resource") for one in entries or () if isinstance(one, dict)]
        for one in held:
            if isinstance(one, dict):
                yield name, one, version or _release(receiver, one)


def _release(receiver: Receiver, resource: Resource) -> FhirVersion:
    """The release that the claims of a resource tell; STU3 when they tell nothing."""
    known = receiver.known[FhirVersion.R4]
    claims = str((resource.get("meta") or {}).get("profile", ""))
    return FhirVersion.R4 if any(one in claims for one in (*known.shown, *known.reference)) else FhirVersion.STU3


def _parsed(command: str, resources: Sequence[Resource]) -> list[str]:
    lines = b"".join(jsonio.dump(one) + b"\n" for one in resources)
    try:
        done = subprocess.run(shlex.split(command), input=lines, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired) as fault:
        raise ParserError(f"the parser cannot be run: {fault}") from fault
    answers = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode != 0 or len(answers) != len(resources):
        raise ParserError(
            f"the parser ended with {done.returncode} and {len(answers)} lines for {len(resources)} resources"
        )
    return answers
