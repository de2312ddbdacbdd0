"""The report of a month in the forms in which it can leave: our own JSON and CSV, and XML by a configured schema."""

from pathlib import Path

import msgspec

from gateway.report.monthly import MonthReport, as_csv
from gateway.report.settings import ReportSettings
from gateway.report.xmlform import as_xml


class NoSchema(ValueError):
    """XML was asked, and the settings name no schema."""


def leaving_form(settings: ReportSettings) -> str:
    """The form that goes to MedMij: XML where there is a schema, else our own."""
    return "xml" if settings.medmij_schema else "json"


def formed(settings: ReportSettings, kept: MonthReport, form: str) -> str:
    """A version as text in a form (json, csv or xml). Raises NoSchema, and XmlRefused when it does not meet it."""
    if form == "csv":
        return as_csv(kept)
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(kept.as_data()), indent=1).decode() + "\n"
    if not settings.medmij_schema:
        raise NoSchema("reports.medmij_schema: none configured")
    figures = {**kept.figures, "made": kept.as_data()["made"], "version": kept.version}
    return as_xml(figures, Path(settings.medmij_schema), Path(settings.medmij_mapping)).decode()
