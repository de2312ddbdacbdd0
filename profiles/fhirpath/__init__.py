"""FHIRPath: one language for invariants, slices and the asserts of scripts, compiled to closures on plain resources.

Source: FHIRPath N1 (2.0.0) and the additions of FHIR R4, section 2.9. ``compile`` reads an expression once; the result
is free of state. Most expressions run on plain data; one that asks for types runs on elements that know theirs.
What goes wrong is a `FhirPathError`, with a position when it is in the text.
"""

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.evaluation import Evaluation
from profiles.fhirpath.expression import Expression, compile, rooted  # noqa: A004 (the name FHIRPath libraries give it)
from profiles.fhirpath.items import ElementNode
from profiles.fhirpath.values import as_text

__all__ = ["ElementNode", "Evaluation", "Expression", "FhirPathError", "as_text", "compile", "rooted"]
