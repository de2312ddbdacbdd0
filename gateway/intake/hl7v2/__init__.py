"""HL7 v2 messages over MLLP: read, mapped to FHIR by a mapping file, taken in like every other push."""
