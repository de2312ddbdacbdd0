"""The simulated EHRs of the demo: a database, a FHIR server, and a switch for what goes wrong with each."""
