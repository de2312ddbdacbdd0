"""An EHR that speaks FHIR (STU3 or R4), zib or not."""
