"""What was found about what citizens send: not wrong enough to refuse, and worth telling who decides on it."""

from dataclasses import dataclass

from profiles.validation import Finding


@dataclass(frozen=True, slots=True)
class ShareRule:
    """What a finding says, in two languages. None repeats a value of the resource."""

    nl: str
    en: str
    severity: str = "warning"
    code: str = "business-rule"


RULES = {
    "bsn-in-content": ShareRule(
        "Er stond een burgerservicenummer in; het is afgeschermd.",
        "It held a citizen service number, which was masked.",
        "information",
    ),
    "person-differs": ShareRule(
        "Dit wijkt af van wat hier van de persoon bekend is.", "This differs from what is known here of the person."
    ),
    "implausible": ShareRule(
        "Deze waarde is onwaarschijnlijk.", "This value is implausible."
    ),
    "reference-elsewhere": ShareRule(
        "Dit verwijst naar een ander systeem; er is niets opgehaald.",
        "This points at another system; nothing was fetched.",
    ),
    "reference-unknown": ShareRule(
        "Dit verwijst naar iets dat hier niet bekend is.", "This points at something that is not known here."
    ),
    "questionnaire-unknown": ShareRule(
        "De vragenlijst is hier niet bekend; de antwoorden zijn er niet mee vergeleken.",
        "The questionnaire is not known here; the answers were not held against it.",
    ),
    "size-differs": ShareRule(
        "De opgegeven grootte is niet die van het bestand.", "The stated size is not that of the file."
    ),
    "no-earlier-request": ShareRule(
        "Er is geen eerder verzoek van deze persoon gevonden.", "No earlier request of this person was found."
    ),
    "location-in-photo": ShareRule(
        "In de foto staat waar die genomen is.", "The photo says where it was taken.", "information"
    ),
}  # fmt: skip


def finding(rule: str, expression: str) -> Finding:
    """The finding of a rule at a place."""
    words = RULES[rule]
    return Finding(words.severity, words.code, rule, expression, words.nl, words.en)
