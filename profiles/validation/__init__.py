"""Validation of FHIR resources against base definitions and profiles: compiled once, evaluated on plain data."""

from profiles.validation.run.evaluate import Validator, validator
from profiles.validation.run.findings import Finding, Report

__all__ = ["Finding", "Report", "Validator", "validator"]
