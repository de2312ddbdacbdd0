"""The HTTP edge: FHIR endpoints, errors, health, the OpenAPI document."""
