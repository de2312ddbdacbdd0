"""FHIR as bytes and as plain data: JSON, XML, media types, bundles of ready bytes."""
