"""Writes docs/validation-findings.md: ten findings in the demo records that are wrong on purpose, as stewards see them.

python tools/validation_findings.py > docs/validation-findings.md
"""

import sys
from collections.abc import Iterator
from datetime import date

from profiles.fhir.version import FhirVersion
from profiles.validation import Finding
from profiles.validation.run.findings import LEVELS
from profiles.zibs import validator
from workbench.demo.world import load

DAY = date(2026, 3, 31)
CHOSEN = {
    "gerda-probleem-zonder-code": "A required code was left empty.",
    "gerda-status-onbekend": "A status that is not in the list.",
    "gerda-bloeddruk-half": "Half of a measurement.",
    "gerda-gewicht": "A unit that no list has.",
    "gerda-opname": "An admission without a beginning.",
    "gerda-pacemaker": "A period that ends before it starts.",
    "gerda-behandelaanwijzing": "A directive that says both yes and no.",
    "karel-gezin": "A code that is not the one of the zib.",
    "karel-hulp": "A value that the profile prescribes.",
    "lotte-duur": "A duration in months where days or weeks are asked.",
}
"""Resources by id, and what happened."""

HEAD = """# Ten findings, as a data steward sees them

Made by `tools/validation_findings.py` from the persons of the demo world whose records are wrong on purpose
(`workbench/demo/world/defects.md`), checked against our own zib tables; a test keeps this page true. Each finding says
how serious it is, which zib element it is about, where it stands in FHIR, what was found, and what to do at the source.
The words come from one catalogue in Dutch and English (`profiles/validation/run/messages.toml`).

The data that a finding quotes are shown only to who holds the resource: `gateway validate` and `$validate`. What the
gateway keeps for its [quality report](quality.md) has no values at all.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_findings()])


def _findings() -> Iterator[str]:
    world = load(DAY)
    resources = {one["id"]: (record, one) for record in world.records for one in record.resources}
    checker = validator(FhirVersion.STU3, ())
    for number, (id_, what) in enumerate(CHOSEN.items(), 1):
        record, resource = resources[id_]
        finding = next(one for one in checker.validate(resource).findings if one.severity == "error")
        source = f"{world.person(record.person).name}, {world.provider(record.provider).display}"
        yield f"## {number}. {what}\n\n`{resource['resourceType']}/{id_}` ({source})\n\n{_table(finding)}\n"


def _table(finding: Finding) -> str:
    rows = [
        ("severity", LEVELS[finding.severity]["nl"], LEVELS[finding.severity]["en"]),
        ("what", finding.text_nl, finding.text_en),
        ("do", finding.advice_nl, finding.advice_en),
    ]
    lines = ["| | Nederlands | English |", "|---|---|---|"]
    lines += [f"| {name} | {dutch or '-'} | {english or '-'} |" for name, dutch, english in rows]
    where = f"Zib element: {finding.zib or '-'}. Place: `{finding.expression}`. Rule: `{finding.rule}`."
    return "\n".join([*lines, "", where])


if __name__ == "__main__":
    sys.stdout.write(page())
