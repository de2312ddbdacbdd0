"""The FHIR releases that the gateway speaks."""

from enum import StrEnum


class FhirVersion(StrEnum):
    """A FHIR release, by the short name used in URLs, settings and files."""

    STU3 = "stu3"
    R4 = "r4"

    @property
    def number(self) -> str:
        """The full release number, as in CapabilityStatement.fhirVersion."""
        return {"stu3": "3.0.2", "r4": "4.0.1"}[self.value]

    @property
    def mime(self) -> str:
        """The value of the ``fhirVersion`` media type parameter."""
        return {"stu3": "3.0", "r4": "4.0"}[self.value]

    @classmethod
    def of(cls, text: str) -> "FhirVersion":
        """Read ``stu3``, ``R4``, ``3``, ``3.0``, ``4.0.1`` and the like; ValueError for anything else."""
        wanted = text.strip().lower()
        for version in cls:
            if wanted == version.value or version.number.startswith(wanted + ".") or wanted == version.number:
                return version
        if wanted in ("3.0.1", "4.3.0", "4.3"):
            return cls.STU3 if wanted == "3.0.1" else cls.R4
        raise ValueError(f"unknown FHIR version {text!r}; known are stu3 (3.0) and r4 (4.0)")
