"""The patient summary: one person's R4 resources as a document (IPS, International Patient PatientSummary)."""

from profiles.summary.document import PatientSummary, SummaryError, Wishes, summary

__all__ = ["PatientSummary", "SummaryError", "Wishes", "summary"]
