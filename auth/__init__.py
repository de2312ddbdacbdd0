"""The MedMij OAuth authorization server and the bearer check. Knows nothing of FHIR."""
