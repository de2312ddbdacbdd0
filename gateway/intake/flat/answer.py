"""The answer to a file: a CSV beside it, a line for each thing that was not taken. It holds no value of the file."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

HEADS = ("line", "severity", "resource", "element", "column", "zib", "text")


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """What is wrong with a line of the file; line 0 is about the whole."""

    line: int
    severity: str
    text: str
    resource: str = ""
    element: str = ""
    column: str = ""
    zib: str = ""


class AnswerFile:
    """An answer while it is written; it can be taken up again at a length that was on disk."""

    def __init__(self, path: Path, length: int = 0) -> None:
        self._file = path.open("r+" if length else "w", encoding="utf-8", newline="")
        if length:
            self._file.truncate(length)
            self._file.seek(length)
        self._writer = csv.writer(self._file, delimiter=";")
        if not length:
            self._writer.writerow(HEADS)

    def tell(self, line: AnswerLine) -> None:
        """Write a line."""
        self._writer.writerow([getattr(line, name) for name in HEADS])

    def durable(self) -> int:
        """Everything on disk; its length."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the file."""
        self._file.close()
