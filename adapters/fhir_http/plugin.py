"""The entry point ``fhir``."""

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.registry import AdapterType

adapter = AdapterType(FhirSettings, FhirAdapter, "an EHR that speaks FHIR (STU3 or R4)")
