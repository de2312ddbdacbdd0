"""CDA R2 documents: taken as documents of the patient in recordTarget."""
