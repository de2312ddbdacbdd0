"""Paper that can be kept and read aloud: A4 as PDF/A-2a (ISO 19005-2), text that can be searched, the font inside.

Everything on it is tagged: a heading as a heading, a paragraph as a paragraph, the foot of a page as no content.
"""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from fpdf import FPDF
from fpdf.fonts import TTFFont
from fpdf.prefs import ViewerPreferences

_FAMILY = "dossier"
_UNTAGGED, _TAGGED = b"<pdfaid:conformance>U</", b"<pdfaid:conformance>A</"


class Paper(FPDF):
    """A4 with a foot on every page. Made with `begin`, `head` and `say`; `written` gives the file."""

    def __init__(self, font: Path, title: str, author: str, made: datetime, foot: str, language: str = "nl") -> None:
        """``font`` is a TrueType file; its bold form is looked for beside it. Raises OSError without it."""
        super().__init__(enforce_compliance="PDF/A-2U")
        self._tag = ""
        self._marks: Counter[int] = Counter()
        bold = font.with_name(f"{font.stem}-Bold{font.suffix}")
        self.add_font(_FAMILY, fname=str(font))
        self.add_font(_FAMILY, style="B", fname=str(bold if bold.is_file() else font))
        self.set_auto_page_break(True, margin=20)
        self.set_title(title)
        self.set_author(author)
        self.set_lang({"nl": "nl-NL", "en": "en-GB"}[language])
        self.set_creation_date(made)
        # The window of a reader is called after the document, not after its file.
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self.page_word = {"nl": "Bladzijde", "en": "Page"}[language]
        self.foot = foot
        self.add_page()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the fonts: writing does that, and a paper that is given up must too."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def add_page(self, *args: Any, **options: Any) -> None:
        """A paragraph that goes on is marked anew on the next page: no mark goes over the edge of one."""
        tag = self._tag
        self._close()
        super().add_page(*args, **options)
        if tag:
            self._open(tag)

    def footer(self) -> None:
        """Whose it is, of when, and which page: an artifact, which is not read aloud."""
        self.set_y(-15)
        self.set_font(_FAMILY, size=8)
        self._out("/Artifact BMC")
        self.cell(0, 8, f"{self.foot}    {self.page_word} {self.page_no()}")
        self._out("EMC")

    def begin(self, text: str) -> None:
        """What the paper is about, on top."""
        self.say(text, 20, bold=True, tag="/H1")

    def head(self, text: str, level: int) -> None:
        """A heading, at this level of the outline."""
        self.ln(3)
        self.keep(20)
        self.start_section(text, level=level)
        self.say(text, 14 if level == 0 else 11.5, bold=True, tag=f"/H{min(level + 2, 6)}")

    def keep(self, room: float) -> None:
        """Begin a page when there is less room than this, in millimetres: what belongs together stays so."""
        if self.get_y() > self.h - 20 - room:
            self.add_page()

    def say(self, text: str, size: float = 9.5, *, bold: bool = False, indent: float = 0, tag: str = "/P") -> None:
        """A paragraph; ``indent`` in millimetres."""
        self.set_font(_FAMILY, "B" if bold else "", size)
        if indent:
            self.set_x(self.l_margin + indent)
        self._open(tag)
        self.multi_cell(0, size * 0.52, text, align="L", new_x="LMARGIN", new_y="NEXT")
        self._close()

    def missing(self, text: str) -> frozenset[str]:
        """The characters of a text that the font does not have."""
        self.set_font(_FAMILY)
        known = getattr(self.current_font, "cmap", {})
        return frozenset(char for char in text if char not in "\n\t " and ord(char) not in known)

    def written(self) -> bytes:
        """The file. The library knows level U at most; what is tagged throughout, as here, is level A."""
        return bytes(self.output()).replace(_UNTAGGED, _TAGGED)

    def _open(self, tag: str) -> None:
        self._tag = tag
        number = self._marks[self.page]
        self._marks[self.page] += 1
        self._add_marked_content(struct_type=tag, mcid=number)
        self._out(f"{tag} <</MCID {number}>> BDC")

    def _close(self) -> None:
        if self._tag:
            self._out("EMC")
        self._tag = ""
