"""The findings on documents, in the form of those of validation. Texts and severities are a table."""

from dataclasses import dataclass

from profiles.validation.run.findings import Finding


@dataclass(frozen=True, slots=True)
class DocumentRule:
    """What a rule says when it is broken; ``{}`` is filled in with what was found."""

    severity: str
    code: str
    nl: str
    en: str
    advice_en: str = ""


RULES = {
    "document-missing": DocumentRule(
        "error",
        "not-found",
        "Het document zelf ontbreekt: {}.",
        "The document itself is missing: {}.",
        "send the Binary together with its DocumentReference",
    ),
    "document-elsewhere": DocumentRule(
        "warning",
        "not-found",
        "Het document ligt buiten dit endpoint ({}); een PGO kan het niet ophalen.",
        "The document lies outside this endpoint ({}); a PGO cannot fetch it.",
        "send the content as a Binary",
    ),
    "document-type": DocumentRule(
        "error",
        "value",
        "Het soort bestand klopt niet: {}.",
        "The media type is not right: {}.",
    ),
    "document-title": DocumentRule(
        "warning",
        "required",
        "Het document heeft geen titel.",
        "The document has no title.",
        "fill DocumentReference.content.attachment.title: people choose by it",
    ),
    "document-kind": DocumentRule(
        "warning",
        "required",
        "Er staat niet wat voor document het is (type).",
        "What kind of document it is (type) is not stated.",
    ),
    "document-author": DocumentRule(
        "warning", "required", "Er staat niet wie het document schreef.", "Who wrote the document is not stated."
    ),
    "document-date": DocumentRule(
        "warning", "required", "Er staat niet van wanneer het document is.", "When the document was made is not stated."
    ),
    "document-hash": DocumentRule(
        "error",
        "value",
        "De hash (SHA-1) is niet die van het document.",
        "The hash (SHA-1) is not that of the document.",
        "the file changed after the reference was made",
    ),
    "document-hash-absent": DocumentRule(
        "warning",
        "required",
        "De hash (SHA-1) van het document ontbreekt.",
        "The hash (SHA-1) of the document is absent.",
    ),
    "document-size": DocumentRule("error", "value", "De grootte klopt niet: {}.", "The size is not right: {}."),
    "document-size-absent": DocumentRule(
        "warning", "required", "De grootte van het document ontbreekt.", "The size of the document is absent."
    ),
    "pdf-unreadable": DocumentRule(
        "error", "structure", "Het bestand is geen leesbare PDF.", "The file is no readable PDF."
    ),
    "pdf-encrypted": DocumentRule(
        "error",
        "security",
        "De PDF is versleuteld; dat mag niet in PDF/A.",
        "The PDF is encrypted, which PDF/A forbids.",
    ),
    "pdfa-not-claimed": DocumentRule(
        "error",
        "business-rule",
        "De PDF zegt niet dat hij PDF/A is.",
        "The PDF does not claim to be PDF/A.",
        "let the writing software save as PDF/A",
    ),
    "pdfa-unknown-level": DocumentRule(
        "error", "value", "Onbekend deel of niveau van PDF/A: {}.", "Unknown part or conformance level of PDF/A: {}."
    ),
    "pdfa-metadata": DocumentRule(
        "warning",
        "required",
        "In de metadata (XMP) van de PDF ontbreekt: {}.",
        "The metadata (XMP) of the PDF lack: {}.",
    ),
    "pdfa-info-differs": DocumentRule(
        "warning",
        "value",
        "De titel in de PDF en die in zijn metadata verschillen.",
        "The title in the PDF and the one in its metadata differ.",
    ),
    "pdfa-no-id": DocumentRule(
        "error",
        "required",
        "De PDF heeft geen bestandskenmerk (trailer ID).",
        "The PDF has no file identifier (trailer ID).",
    ),
    "pdfa-untagged": DocumentRule(
        "error",
        "business-rule",
        "Niveau A vraagt een PDF met structuur (tags); die ontbreekt.",
        "Level A asks for a tagged PDF; there are no tags.",
    ),
    "pdfa-embedded-file": DocumentRule(
        "error",
        "business-rule",
        "Er zit een bestand in de PDF; dat mag niet in PDF/A-{}.",
        "A file is embedded in the PDF, which PDF/A-{} forbids.",
    ),
    "pdfa-active-content": DocumentRule(
        "error",
        "security",
        "De PDF bevat actieve inhoud ({}); dat mag niet in PDF/A.",
        "The PDF holds active content ({}), which PDF/A forbids.",
    ),
    "pdfa-font": DocumentRule(
        "warning",
        "business-rule",
        "Lettertype zonder bestand in de PDF: {}.",
        "Font that is not embedded in the PDF: {}.",
        "not embedding is allowed for invisible text of a scan only",
    ),
    "pdfa-output-intent": DocumentRule(
        "warning",
        "business-rule",
        "De PDF noemt geen kleurprofiel (OutputIntent).",
        "The PDF names no colour profile (OutputIntent).",
        "needed as soon as a colour depends on the device",
    ),
    "pdfa-not-checked": DocumentRule(
        "information",
        "incomplete",
        "Niet gecontroleerd: kleurruimten, doorzichtigheid, tekenbreedtes, ondertekening, ingesloten bestanden.",
        "Not checked: colour spaces, transparency, glyph widths, signatures, embedded files.",
        "a full check of PDF/A needs a tool made for it, such as veraPDF",
    ),
}


def finding(rule: str, expression: str, detail: str = "") -> Finding:
    """The finding of a rule at a place."""
    words = RULES[rule]
    return Finding(
        severity=words.severity,
        code=words.code,
        rule=rule,
        expression=expression,
        text_nl=words.nl.format(detail),
        text_en=words.en.format(detail),
        advice_en=words.advice_en,
        found=detail,
    )
