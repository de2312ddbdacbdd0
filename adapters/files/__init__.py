"""A folder of FHIR files: JSON, XML or NDJSON; resources or Bundles."""
