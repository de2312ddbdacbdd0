"""The patient summary: one person's R4 resources as a document (IPS, International Patient Summary)."""

from profiles.summary.document import PROFILES, PatientSummary, SummaryError, Wishes, summary

__all__ = ["PROFILES", "PatientSummary", "SummaryError", "Wishes", "summary"]
