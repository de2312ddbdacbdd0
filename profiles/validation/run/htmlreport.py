"""The findings on many resources as one HTML page that stands on its own."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from profiles.validation.run.findings import LEVELS, VERDICTS, Report

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .4rem .6rem;
border-bottom: 1px solid #d0d0d0; } th { background: #f2f4f7; }
.error { color: #a4001d; font-weight: 600; }
.warning { color: #7a4b00; font-weight: 600; } .information { color: #3b5168; }
.place { font-family: ui-monospace, monospace; font-size: .85em; overflow-wrap: anywhere; } .do { font-style: italic; }
"""

_WORDS = {
    "nl": {
        "title": "Validatierapport",
        "kind": "Soort",
        "where": "Waar",
        "what": "Wat",
        "do": "Wat te doen",
        "zib": "Zib-element",
        "verdict": "Oordeel",
        "count": "Aantal",
        "clean": "Geen bevindingen.",
        "top": "Meest gevonden",
    },
    "en": {
        "title": "Validation report",
        "kind": "Kind",
        "where": "Where",
        "what": "What",
        "do": "What to do",
        "zib": "Zib element",
        "verdict": "Verdict",
        "count": "Number",
        "clean": "No findings.",
        "top": "Found most",
    },
}


def as_html(reports: Sequence[tuple[str, Report]], language: str = "nl") -> str:
    """A page with the verdicts counted, the commonest findings, and every finding per resource."""
    words = _WORDS[language]
    verdicts = Counter(report.verdict for _, report in reports)
    common = Counter((f.zib, f.rule) for _, report in reports for f in report.findings if f.severity != "information")
    parts = [
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{words["title"]}</title>',
        f"<style>{_STYLE}</style></head><body><h1>{words['title']}</h1>",
        _table(
            [words["verdict"], words["count"]],
            [[escape(VERDICTS[v][language]), str(n)] for v, n in sorted(verdicts.items())],
        ),
    ]
    if common:
        rows = [[escape(zib or "-"), escape(rule), str(count)] for (zib, rule), count in common.most_common(10)]
        parts.append(f"<h2>{words['top']}</h2>" + _table([words["zib"], words["kind"], words["count"]], rows))
    for name, report in reports:
        if report.findings:
            parts.append(f"<h2>{escape(name)}: {VERDICTS[report.verdict][language]}</h2>" + _findings(report, language))
    if not any(report.findings for _, report in reports):
        parts.append(f"<p>{words['clean']}</p>")
    return "\n".join([*parts, "</body></html>\n"])


def _findings(report: Report, language: str) -> str:
    words = _WORDS[language]
    rows = []
    for finding in report.findings:
        line = f"<br>{finding.line}:{finding.column}" if finding.line is not None else ""
        rows.append(
            [
                f'<span class="{finding.severity}">{LEVELS[finding.severity][language]}</span>'
                f"<br>{escape(finding.rule)}",
                f'{escape(finding.zib)}<br><span class="place">{escape(finding.expression)}{line}</span>',
                escape(finding.text(language)),
                f'<span class="do">{escape(finding.advice(language))}</span>',
            ]
        )
    return _table([words["kind"], words["where"], words["what"], words["do"]], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
