"""The bounds of what the codec reads."""

MAX_SIZE = 50_000_000
"""Default limit of a document in bytes."""

XML_DEPTH = 100
"""Deepest nesting of elements; FHIR instances rarely exceed 30. Writing keeps to it, so what is written can be read."""

JSON_DEPTH = 2 * XML_DEPTH
"""Deepest nesting of objects and arrays: an element that repeats is an array of objects."""

MAX_DIGITS = 128
"""Longest number text; FHIR asks for 18 significant digits."""

MAX_EXPONENT = 400
"""Largest magnitude (power of ten); a double reaches 308."""

MAX_LOCATED = 1_000_000
"""Longest JSON text in which the exact place of a fault is looked for; in a longer one that would cost too much."""
