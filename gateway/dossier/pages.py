"""The templates of a dossier, for whoever shows one: the loader, the function that draws, and the style sheet."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined

from gateway.dossier.answer import DossierAnswer
from gateway.dossier.plots import trend_plot
from gateway.dossier.record import DossierPart
from gateway.dossier.speech import label, said

STYLE = Path(__file__).parent / "static" / "dossier.css"
"""How the parts of ``dossier.html`` look; the page that shows them names the colours."""


@dataclass(frozen=True, slots=True)
class DossierAddresses:
    """Where the pages of one dossier are. ``files``: whether single answers can be fetched as they came."""

    root: str
    files: bool = True

    @property
    def overview(self) -> str:
        """The summary."""
        return self.root

    @property
    def whole(self) -> str:
        """Everything on one page."""
        return f"{self.root}/alles"

    def part(self, part: DossierPart) -> str:
        """The page of one part."""
        return f"{self.root}/deel/{part.id}"

    def document(self, answer: DossierAnswer, binary: str) -> str:
        """A document."""
        return f"{self.root}/{answer.id}/document/{binary}"

    def file(self, answer: DossierAnswer, form: str) -> str:
        """One answer as it came; empty when files are not given."""
        return f"{self.root}/{answer.id}.{form}" if self.files else ""


def environment(*own: BaseLoader) -> Environment:
    """An environment with the templates of a dossier beside one's own. Everything is escaped."""
    made = Environment(
        loader=ChoiceLoader([*own, PackageLoader("gateway.dossier")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"plot": trend_plot, "say": said, "words": label}
    return made
