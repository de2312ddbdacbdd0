"""The one error of the codec."""


class FormatError(ValueError):
    """Bytes or data that are not a well-formed FHIR resource.

    ``text`` is public: it never repeats values from the data, only names of elements and places.
    ``expression`` is a FHIRPath-like path when known, ``line`` and ``column`` count from 1 when known.
    """

    def __init__(
        self, text: str, *, expression: str | None = None, line: int | None = None, column: int | None = None
    ) -> None:
        self.text = text
        self.expression = expression
        self.line = line
        self.column = column
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f" (line {self.line}, column {self.column})" if self.line and self.column else ""
        place = place or (f" (line {self.line})" if self.line else "")
        return f"{self.expression}: {self.text}{place}" if self.expression else f"{self.text}{place}"

    def at(self, prefix: str) -> "FormatError":
        """The same error below another element: ``prefix`` goes before the expression."""
        below = self.expression or ""
        below = prefix + below if below.startswith("[") or not below else f"{prefix}.{below}"
        return FormatError(self.text, expression=below, line=self.line, column=self.column)
