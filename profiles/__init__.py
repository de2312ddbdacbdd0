"""All that is FHIR and nothing that is HTTP: codec, search, validation, information standards."""
