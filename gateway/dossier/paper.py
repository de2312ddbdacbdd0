"""Paper that can be kept: A4 as PDF/A-2u, text that can be searched and copied, the font inside (ISO 19005-2)."""

from datetime import datetime
from pathlib import Path
from typing import Self

from fpdf import FPDF
from fpdf.fonts import TTFFont

_FAMILY = "dossier"


class Paper(FPDF):
    """A4 with a foot on every page."""

    def __init__(self, font: Path, title: str, author: str, made: datetime, foot: str) -> None:
        """``font`` is a TrueType file; its bold form is looked for beside it. Raises OSError without it."""
        super().__init__(enforce_compliance="PDF/A-2U")
        bold = font.with_name(f"{font.stem}-Bold{font.suffix}")
        self.add_font(_FAMILY, fname=str(font))
        self.add_font(_FAMILY, style="B", fname=str(bold if bold.is_file() else font))
        self.set_auto_page_break(True, margin=20)
        self.set_title(title)
        self.set_author(author)
        self.set_lang("nl-NL")
        self.set_creation_date(made)
        self.foot = foot
        self.add_page()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the fonts: writing does that, and a paper that is given up must too."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def footer(self) -> None:
        """Whose it is, of when, and which page."""
        self.set_y(-15)
        self.set_font(_FAMILY, size=8)
        self.cell(0, 8, f"{self.foot}    Bladzijde {self.page_no()}")

    def head(self, text: str, level: int) -> None:
        """A heading, at this level of the outline."""
        self.ln(3)
        if self.get_y() > self.h - 40:
            self.add_page()
        self.start_section(text, level=level)
        self.say(text, 14 if level == 0 else 11.5, bold=True)

    def say(self, text: str, size: float = 9.5, *, bold: bool = False, indent: float = 0) -> None:
        """A paragraph; ``indent`` in millimetres."""
        self.set_font(_FAMILY, "B" if bold else "", size)
        if indent:
            self.set_x(self.l_margin + indent)
        self.multi_cell(0, size * 0.52, text, align="L", new_x="LMARGIN", new_y="NEXT")

    def missing(self, text: str) -> frozenset[str]:
        """The characters of a text that the font does not have."""
        self.set_font(_FAMILY)
        known = getattr(self.current_font, "cmap", {})
        return frozenset(char for char in text if char not in "\n\t " and ord(char) not in known)
