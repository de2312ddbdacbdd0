"""Writes docs/receivers.md: what each known receiver does with what the standards' rows give.

python tools/receivers.py > docs/receivers.md
"""

import sys
from collections.abc import Iterator

from profiles.receivers.judge import Outcome, judge
from profiles.receivers.load import Receiver, names, receiver
from profiles.record.claims import claim_parents
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule, Standard

HEAD = """# What receivers show

Per row of a data service that a receiver asks: what becomes of a resource that claims the row's profile, as it leaves
the gateway (with its parent, where it has one). Facts about receivers are files in `profiles/receivers/data/`; what the
words mean says [clients](clients.md#try-it).

This page is written by `tools/receivers.py`; a test compares it with the rows and the facts.
"""


def fate_of(known: Receiver, standard: Standard, rule: RequestRule, profile: str) -> Outcome:
    """What becomes of a resource that claims a profile and has every title that the receiver looks for."""
    resource = {"resourceType": rule.type, "meta": {"profile": [profile]}}
    claim_parents(resource, standard.fhir)
    outcome = judge(known, resource, standard.fhir).outcome
    return Outcome.SHOWN if outcome is Outcome.NAMELESS else outcome


def table(known: Receiver) -> Iterator[str]:
    """The part of the page about one receiver."""
    yield f"\n## {known.title} (`{known.name}`)\n"
    yield f"Waits {known.first_byte:g} s for the first byte, repeats {known.repeats} time, reads {known.pages} page.\n"
    yield "| service | row | profile | what becomes of it |\n|---|---|---|---|"
    for service in known.searches:
        standard, offered = catalogue().service(service)
        for rule in standard.rules_of(offered):
            for profile in rule.profiles if rule.method == "GET" and not rule.on_instance else ():
                outcome = fate_of(known, standard, rule, profile)
                yield f"| {service} | `{rule.id}` | `{profile.rpartition('/')[2]}` | {outcome} |"


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(line for name in names() for line in table(receiver(name))) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
