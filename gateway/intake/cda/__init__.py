"""CDA documents: taken as documents of the patient in recordTarget."""
