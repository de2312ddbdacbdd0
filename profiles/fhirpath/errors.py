"""What goes wrong with FHIRPath."""


class FhirPathError(ValueError):
    """An expression that cannot be read, or that cannot be evaluated on this resource within its bounds.

    ``position`` is the character (from 0) at which the text of an expression goes wrong; None for what goes wrong
    during evaluation.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        self.position = position
        super().__init__(message if position is None else f"{message} (at character {position + 1})")
