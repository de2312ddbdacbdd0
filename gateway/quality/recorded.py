"""Findings as they are kept with what they are about: where and which rule, nothing of the values."""

from collections.abc import Iterable

import msgspec

from profiles.validation import Finding


def recorded(findings: Iterable[Finding]) -> bytes:
    """Findings for the record. Empty bytes for none."""
    rows = [
        {
            "severity": one.severity,
            "rule": one.rule,
            "expression": one.expression,
            "definition": one.definition,
            "profile": one.profile,
            "zib": one.zib,
        }
        for one in findings
    ]
    return msgspec.json.encode(rows) if rows else b""
