"""What goes wrong with FHIRPath."""


class FhirPathError(ValueError):
    """An expression that cannot be read, or that cannot be evaluated on this resource within its bounds."""
