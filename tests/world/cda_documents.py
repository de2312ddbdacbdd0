# ruff: noqa: E501 - documents as they are sent
"""CDA documents as systems send them: invented, with the parts that a test wants to be otherwise."""

import base64
from datetime import UTC, datetime
from pathlib import Path

from world.intake_house import BSN, OTHER_BSN

from gateway.dossier.paper import Paper

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
LOCAL, BSN_ROOT = "2.16.840.1.113883.2.4.3.999.1", "2.16.840.1.113883.2.4.6.3"
SECTIONS = """<structuredBody>
 <component><section><code code="11450-4" codeSystem="2.16.840.1.113883.6.1"/><title>Problemen</title>
  <text><paragraph>Astma sinds <content styleCode="Bold">2010</content>.<br/>Stabiel.</paragraph>
   <list listType="ordered"><item>Inhalatie</item><item>Controle <content revised="delete">maandag</content></item></list>
  </text><entry><observation classCode="OBS" moodCode="EVN"/></entry></section></component>
 <component><section><title>Uitslagen</title><text><table><thead><tr><th>Bepaling</th><th>Uitslag</th></tr></thead>
   <tbody><tr><td>Kalium</td><td>4,10 mmol/L</td></tr><tr><td colspan="2">Nuchter</td></tr></tbody></table>
   <renderMultiMedia referencedObject="MM1"/></text></section></component>
 <component><section><title>Medicatie</title><entry><observation classCode="OBS" moodCode="EVN"/></entry></section></component>
</structuredBody>"""


def pdf(text: str = "Ontslagbrief") -> bytes:
    """A small PDF/A."""
    paper = Paper(FONT, text, "Test", datetime(2026, 2, 1, tzinfo=UTC), text)
    paper.say(text)
    return bytes(paper.output())


def with_file(content: bytes, attributes: str = 'mediaType="application/pdf" representation="B64"') -> str:
    """A body that is a file."""
    return f"<nonXMLBody><text {attributes}>{base64.b64encode(content).decode()}</text></nonXMLBody>"


def target(local: str = "4711", bsn: str = BSN, name: str = "Tessa") -> str:
    """A recordTarget."""
    number = f'<id root="{LOCAL}" extension="{local}"/>' if local else ""
    own = f'<id root="{BSN_ROOT}" extension="{bsn}"/>' if bsn else ""
    return (
        f"<recordTarget><patientRole>{number}{own}<patient><name><given>{name}</given> "
        '<prefix qualifier="VV">van </prefix><family>Test</family></name><administrativeGenderCode code="F"/>'
        '<birthTime value="19700131"/></patient></patientRole></recordTarget>'
    )


def cda(
    body: str = SECTIONS, *, number: str = "DOC-1", set_: str = "SET-1", version: str = "1", targets: str = "",
    made: str = "20260201103000+0100", level: str = "N", more: str = "", head: str = '<?xml version="1.0" encoding="UTF-8"?>',
    title: str = "Ontslagbrief cardiologie",
) -> bytes:  # fmt: skip
    """A document, in UTF-8."""
    versions = f'<setId root="1.2.3.4" extension="{set_}"/><versionNumber value="{version}"/>' if set_ else ""
    return f"""{head}<ClinicalDocument xmlns="urn:hl7-org:v3"><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<id root="1.2.3" extension="{number}"/><code code="18842-5" codeSystem="2.16.840.1.113883.6.1" displayName="Ontslagbrief"/>
<title>{title}</title><effectiveTime value="{made}"/><confidentialityCode code="{level}" codeSystem="2.16.840.1.113883.5.25"/>
<languageCode code="nl-NL"/>{versions}{targets or target()}<author><time value="{made}"/><assignedAuthor><id nullFlavor="NI"/>
<assignedPerson><name><prefix>dr.</prefix> <given>Anna</given> <family>Dokter</family></name></assignedPerson>
<representedOrganization><name>Cardiologie</name></representedOrganization></assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><id nullFlavor="NI"/><name>Ziekenhuis Zandoord</name>
</representedCustodianOrganization></assignedCustodian></custodian>{more}<component>{body}</component></ClinicalDocument>""".encode()


def related(kind: str, number: str) -> str:
    """A relatedDocument."""
    parent = f'<parentDocument><id root="1.2.3" extension="{number}"/></parentDocument>'
    return f'<relatedDocument typeCode="{kind}">{parent}</relatedDocument>'


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd">'
FAULTS = {
    "bomb": (cda(head=BOMB), 400, "document type declaration"),
    "outside": (cda(head=OUTSIDE), 400, "document type declaration"),
    "cut": (cda()[:-30], 400, "not well-formed"),
    "deep": (b"<ClinicalDocument xmlns='urn:hl7-org:v3'>" + b"<a>" * 200, 400, "levels"),
    "many": (b"<ClinicalDocument xmlns='urn:hl7-org:v3'>" + b"<a/>" * 300_001, 400, "elements"),
    "latin": (cda(title="Pati\u00ebnt").decode().encode("latin-1"), 400, "encoding"),
    "root": (b"<Bundle xmlns='http://hl7.org/fhir'/>", 400, "ClinicalDocument"),
    "two": (cda(targets=target() + target("12", OTHER_BSN)), 422, "more than one patient"),
    "two numbers": (cda(targets=target().replace("<patient>", f'<id root="{BSN_ROOT}" extension="{OTHER_BSN}"/><patient>')),
                    422, "more than one BSN"),
    "no number": (cda(targets=target(bsn="")), 422, "no BSN"),
    "no such number": (cda(targets=target(bsn="999990018")), 422, "a BSN that is none"),
    "several": (cda(targets=target().replace("<patient>", '<id root="1.9" extension="7"/><patient>')), 422, "cda.patients"),
    "secret": (cda(level="V"), 422, "confidentiality V"),
    "no time": (cda(made="gisteren"), 422, "not a time"),
    "elsewhere": (cda('<nonXMLBody><text mediaType="application/pdf"><reference value="http://x/y.pdf"/></text></nonXMLBody>'),
                  422, "elsewhere"),
    "packed": (cda(with_file(b"x", 'mediaType="application/pdf" representation="B64" compression="GZ"')), 422, "compressed"),
    "word": (cda(with_file(b"x", 'mediaType="application/msword" representation="B64"')), 422, "application/msword"),
    "hash": (cda(with_file(b"x", 'mediaType="application/pdf" representation="B64" integrityCheck="AAAA"')), 422, "hash"),
    "base64": (cda('<nonXMLBody><text mediaType="application/pdf" representation="B64">***</text></nonXMLBody>'), 422, "base64"),
    "empty": (cda("<structuredBody/>"), 422, "no text for people"),
    "box": (cda(SECTIONS.replace("Astma", "\u55d8\u606f")), 422, "U+55D8"),
    "version": (cda(version="1.0"), 422, "whole number"),
}  # fmt: skip
"""What must be refused: the document, the status, and what is said of it."""
