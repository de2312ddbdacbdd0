"""One line of the tables that say which element of a resource is which column of the sample EHR."""

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.ehr_of_fixtures.paths import Column


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of a table: one for a resource, or one for each of its elements ``at`` a path.

    Two resources that give the same key are the same row, such as a device and its use.
    """

    table: str
    key: str
    """The column that holds the row's key; empty for a table of pairs."""
    value: Column
    """What the key is."""
    columns: Mapping[str, Column]
    at: str = ""
