"""Privacy documents made from the configuration: the register entry, input for the DPIA, data flows, retention.

What no configuration can know is named and left to fill in; nothing here is made up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.report.document import Cell, Column, ReportDocument, ReportSection
from gateway.report.flows import FlowBox, flows_svg
from gateway.report.words import words
from profiles.standards.load import Catalogue, UnknownService
from profiles.standards.model import RequestRule


@dataclass(frozen=True, slots=True)
class PrivacyMeasure:
    """A measure that the settings turn on: its word in the texts, the setting, and whether it is on."""

    key: str
    setting: str
    on: bool


@dataclass(frozen=True, slots=True)
class PrivacyFacts:
    """What the configuration says of one provider. ``keeping``: what, setting, days, and why it may be longer."""

    provider: str
    name: str
    services: Sequence[str]
    sources: Sequence[str]
    partners: Sequence[str]
    write_back: Sequence[str]
    own_record: bool
    subscriptions: bool
    heads: Sequence[str]
    measures: Sequence[PrivacyMeasure]
    keeping: Sequence[tuple[str, str, int]]
    stays: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class PrivacyReport:
    """Makes the documents of a provider."""

    facts: PrivacyFacts
    catalogue: Catalogue
    made: str
    language: str = "nl"

    def document(self) -> ReportDocument:
        """All of them as one report."""
        text = words(self.language, "privacy")
        notes = [text["about"].format(provider=self.facts.name), text["fill"]]
        sections = [self._register(), self._dpia(), self._flows(), self._retention(), self._stays()]
        return ReportDocument("privacy", text["title"], self.made, self.language, notes, sections,
                              words(self.language, "words"))  # fmt: skip

    def picture(self) -> str:
        """The data flows as SVG."""
        left, us, right = self.boxes()
        return flows_svg(words(self.language, "privacy")["flows"], left, us, right)

    def boxes(self) -> tuple[list[FlowBox], FlowBox, list[FlowBox]]:
        """Who gives, the gateway, who receives."""
        text, facts = words(self.language, "privacy"), self.facts
        left = [FlowBox(one, text["flow_source"]) for one in facts.sources] or [
            FlowBox(text["flow_store"], text["flow_source"])
        ]
        left.append(FlowBox(text["flow_login"], text["flow_login_what"]))
        if self._receives():
            left.append(FlowBox(text["flow_citizen"], text["flow_citizen_what"]))
        right = [FlowBox(text["flow_pgo"], text["flow_pgo_what"])]
        if facts.own_record:
            right.append(FlowBox(text["flow_own"], text["flow_own_what"]))
        if facts.subscriptions:
            right.append(FlowBox(text["flow_notice"], text["flow_notice_what"]))
        right += [FlowBox(one, text["flow_partner_what"]) for one in facts.partners]
        right += [FlowBox(one, text["flow_ehr_what"]) for one in facts.write_back]
        right += [FlowBox(one, text["flow_heads_what"]) for one in facts.heads]
        return left, FlowBox("MedMij gateway", text["flow_us"].format(provider=facts.name)), right

    def _receives(self) -> bool:
        return any(rule.method != "GET" for _, rules in self._services() for rule in rules)

    def _services(self) -> list[tuple[str, Sequence[RequestRule]]]:
        """Name and rows of each data service that is known."""
        made: list[tuple[str, Sequence[RequestRule]]] = []
        for id_ in self.facts.services:
            try:
                standard, service = self.catalogue.service(id_)
            except UnknownService:
                continue
            made.append((f"{service.name} ({id_})", tuple(standard.rules_of(service))))
        return made

    def _section(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> ReportSection:
        text = words(self.language, "privacy")
        heads = [Column(name, text[f"head_{name}"]) for name in columns]
        return ReportSection(key, text[key], heads, rows, text[f"{key}_defined"])

    def _register(self) -> ReportSection:
        text, facts = words(self.language, "privacy"), self.facts
        services = [name for name, _ in self._services()]
        zibs = sorted({zib for _, rules in self._services() for rule in rules for zib in rule.zibs})
        receivers = [text["flow_pgo"], *facts.partners, *facts.write_back]
        rows: list[list[Cell]] = [
            [text["controller"], f"{facts.name} ({facts.provider})"],
            [text["contact"], text["to_fill"]],
            [text["purposes"], text["purposes_are"]],
            [text["services"], "; ".join(services) or "-"],
            [text["subjects"], text["subjects_are"]],
            [text["categories"], ", ".join(zibs) or "-"],
            [text["identity"], text["identity_is"]],
            [text["receivers"], "; ".join(receivers)],
            [text["countries"], text["to_fill"]],
            [text["ground"], text["ground_is"]],
            [text["ends"], text["ends_are"]],
            [text["security"], "; ".join(text[f"measure_{one.key}"] for one in facts.measures if one.on)],
        ]
        return self._section("register", ("what", "value"), rows)

    def _dpia(self) -> ReportSection:
        text = words(self.language, "privacy")
        rows: list[list[Cell]] = [
            [text[f"risk_{one.key}"], text[f"measure_{one.key}"], text["on" if one.on else "off"], one.setting]
            for one in self.facts.measures
        ]
        return self._section("dpia", ("risk", "measure", "state", "setting"), rows)

    def _flows(self) -> ReportSection:
        left, us, right = self.boxes()
        rows: list[list[Cell]] = [[one.name, us.name, one.what] for one in left]
        rows += [[us.name, one.name, one.what] for one in right]
        return self._section("flows", ("from", "to", "data"), rows)

    def _retention(self) -> ReportSection:
        rows: list[list[Cell]] = [[what, days, setting] for what, setting, days in self.facts.keeping]
        return self._section("retention", ("kept", "days", "setting"), rows)

    def _stays(self) -> ReportSection:
        return self._section("stays", ("table", "why"), [[name, why] for name, why in self.facts.stays])
