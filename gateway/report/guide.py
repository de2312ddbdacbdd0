"""The readable part of an evidence pack, on paper that can be kept (PDF/A): what each file is, proves, and its hash."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from gateway.dossier.paper import Paper
from gateway.version import SOFTWARE

STEPS = (
    "Controleer de handtekening in MANIFEST.sig onder MANIFEST.json, met de openbare sleutel van de instelling.",
    "Bereken van elk bestand de SHA-256, en vergelijk die met MANIFEST.json of met dit blad.",
    "Trek de steekproef opnieuw met hetzelfde getal (gateway report pack --seed): de regels zijn dezelfde.",
    "Open een regel van de steekproef met gateway audit show KETEN NUMMER. Dat wordt vastgelegd.",
    "Lees in keten.json of het toegangslogboek en wat geteld is nog zijn zoals ze geschreven werden.",
)
"""How an auditor holds the pack to itself."""


def guide_pdf(
    files: Mapping[str, tuple[str, bytes]], provider: str, period: str, made: datetime, font: Path, faults: int
) -> bytes:
    """The guide as PDF/A-2u. ``files``: what each proves, and its content. Raises OSError without the font."""
    with Paper(font, f"Bewijs van {provider}", provider, made, f"Bewijs, {provider}, {period}") as paper:
        paper.say(f"Bewijs van {provider}", 20, bold=True)
        paper.say(f"Periode: {period}. Gemaakt: {made:%d-%m-%Y %H:%M} UTC, met versie {SOFTWARE}.")
        found = "past" if not faults else f"past NIET: {faults} afwijkingen, zie keten.json"
        paper.say(f"Het toegangslogboek en wat geteld is: {found}.", bold=bool(faults))
        paper.head("Wat elk bestand bewijst", 0)
        for name, (proves, content) in files.items():
            paper.head(name, 1)
            paper.say(proves)
            paper.say(f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}", 8)
        paper.head("Hoe u dit nagaat", 0)
        for number, step in enumerate(STEPS, 1):
            paper.say(f"{number}. {step}")
        paper.head("Wat dit niet bewijst", 0)
        paper.say(
            "Dat de bronsystemen de juiste gegevens leverden; wat gebeurt in een bron die rechtstreeks wordt bevraagd; "
            "en wat de auditor volgens de norm zelf bij de instelling moet zien: dat staat bij elk cijfer."
        )
        return bytes(paper.output())
