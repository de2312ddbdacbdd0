"""What must be there whenever the source has it: of how many resources each such element is filled, by source.

Nobody can see from outside what a source has and leaves out. What can be told is which elements it never fills.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.quality.tally import MUST, Numbers
from gateway.report.document import Share
from gateway.report.figures import Figures
from profiles.standards.model import RequestRule, Standard
from profiles.standards.must import must_elements


@dataclass(frozen=True, slots=True)
class MustFigure:
    """One element of one profile at one source."""

    provider: str
    source: str
    standard: str
    part: str
    element: str
    filled: Share

    @property
    def told(self) -> str:
        """Which words tell it: ``never``, ``sometimes`` or ``always`` filled."""
        return "never" if not self.filled.part else "always" if self.filled.part == self.filled.whole else "sometimes"


def must_figures(figures: Figures, offered: Mapping[str, Sequence[Standard]], language: str) -> list[MustFigure]:
    """The figures for the standards that each provider offers, in the order of their rows; what never is filled first.

    A source that delivered no resource of a profile has no figure for it.
    """
    counted: dict[tuple[str, str], dict[str, dict[str, Numbers]]] = {}
    for (provider, profile, source, element), one in figures.sums(
        "provider", "profile", "source", "element", of="musts"
    ):
        counted.setdefault((provider, profile), {}).setdefault(source, {})[element.removeprefix(MUST)] = one
    made = [
        figure
        for provider, standards in offered.items()
        for standard in standards
        for rule in standard.rules
        for figure in _of_rule(provider, standard, rule, counted, language)
    ]
    return sorted(made, key=lambda one: ("never", "sometimes", "always").index(one.told))


def _of_rule(
    provider: str,
    standard: Standard,
    rule: RequestRule,
    counted: Mapping[tuple[str, str], Mapping[str, Mapping[str, Numbers]]],
    language: str,
) -> Iterator[MustFigure]:
    part = rule.name_en if language == "en" else rule.name_nl
    for profile, names in rule.must.items():
        shown = part if profile in rule.profiles else f"{part} ({profile.rpartition('/')[2]})"
        for source, elements in counted.get((provider, profile), {}).items():
            for name in names:
                if name in elements:
                    known, one = must_elements()[name], elements[name]
                    label = known.name_en if language == "en" else known.name_nl
                    yield MustFigure(provider, source, standard.id, shown, label, Share(one.filled, one.seen))
