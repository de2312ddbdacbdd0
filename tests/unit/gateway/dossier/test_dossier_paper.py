"""Paper that can be read aloud: PDF/A-2a, everything on it tagged or an artifact (ISO 19005-2, 6.7)."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from gateway.documents import pdfa
from gateway.dossier.paper import Paper

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


@pytest.fixture
def made() -> bytes:
    """Several pages, with paragraphs that go over the edge of one."""
    if not FONT.is_file():
        pytest.skip("no DejaVu Sans on this machine")
    with Paper(FONT, "Een dossier", "Ziekenhuis", datetime(2026, 3, 1, tzinfo=UTC), "voet") as paper:
        paper.begin("Naam")
        for part in range(3):
            paper.head(f"Deel {part}", 0)
            for one in range(12):
                paper.head(f"Kop {one}", 1)
                paper.say("Een lange alinea. " * 40)
        return paper.written()


def marks(page: Any) -> Iterator[int]:
    """The marks of a page in order; nothing is shown outside a mark, and none stands within another."""
    depth = 0
    for operands, operator in pikepdf.parse_content_stream(page):
        name = str(operator)
        if name == "BDC":
            yield int(operands[1].MCID)
        depth += {"BDC": 1, "BMC": 1, "EMC": -1}.get(name, 0)
        assert depth in (0, 1)
        assert depth or name not in ("Tj", "TJ")
    assert depth == 0


def test_everything_is_tagged_and_the_file_says_so(made: bytes) -> None:
    with pikepdf.open(io.BytesIO(made)) as paper:
        assert (str(paper.Root.Lang), bool(paper.Root.MarkInfo.Marked)) == ("nl-NL", True)
        with paper.open_metadata() as told:
            assert (told["pdfaid:part"], told["pdfaid:conformance"]) == ("2", "A")
        tags = [str(one.S) for one in paper.Root.StructTreeRoot.K[0].K]
        assert tags[:4] == ["/H1", "/H2", "/H3", "/P"]
        tree = paper.Root.StructTreeRoot.ParentTree.Nums
        owners = {int(tree[place]): tree[place + 1] for place in range(0, len(tree), 2)}
        assert len(paper.pages) > 3
        for page in paper.pages:
            numbers = list(marks(page))
            assert numbers == list(range(len(owners[int(page.StructParents)])))


def test_our_own_check_finds_no_fault(made: bytes) -> None:
    assert [one for one in pdfa.check(made, "content") if one.severity == "error"] == []
