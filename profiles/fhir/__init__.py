"""FHIR as plain data: base facts, JSON and XML, search, bundles."""
