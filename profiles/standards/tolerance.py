"""Parameters of FHIR itself that a client may add where a row is tolerant, known to the gateway or not.

The granular data services let a client send any search parameter of the base specification; a server need not process
it. What the gateway knows narrows the answer, what it does not know is left out, of the self link as well, so that a
client sees what was done. What is no parameter of FHIR is refused, as everywhere.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from profiles.fhir.interactions import FhirRequest
from profiles.fhir.search.search import IGNORED, SearchError, compile_search
from profiles.fhir.version import FhirVersion
from profiles.rows import Row, read
from profiles.standards.model import INCLUDES, RequestRule

TABLE = Path(__file__).parents[1] / "fhir" / "data" / "baseparams.toml"


class EveryTypeRow(Row, frozen=True):
    """``[every]``: parameters that every type has."""

    names: tuple[str, ...]


class BaseParameterRows(Row, frozen=True):
    """baseparams.toml: names of search parameters, by release and type."""

    every: EveryTypeRow
    STU3: Mapping[str, tuple[str, ...]]
    R4: Mapping[str, tuple[str, ...]]


def kept_by(offered: Sequence[RequestRule], request: FhirRequest) -> tuple[tuple[str, str], ...]:
    """The query of a request without what the gateway does not process; the whole query where no row is tolerant."""
    if not all(rule.tolerant for rule in offered):
        return request.query
    own = {one.name for rule in offered for one in rule.parameters}
    return tuple(pair for pair in request.query if pair[0] in own or not _idle(request, *pair))


def _idle(request: FhirRequest, name: str, value: str) -> bool:
    base = name.partition(":")[0]
    if base in INCLUDES:
        return True
    if base.partition(".")[0] not in _known(request.version, request.type or "") or name in IGNORED:
        return False
    try:
        compile_search(request.version, request.type or "", [(name, value)])
    except SearchError as error:
        return error.issue_code == "not-supported"
    return False


@cache
def _known(version: FhirVersion, type_: str) -> frozenset[str]:
    """The search parameters that FHIR itself has for a type, and for every type."""
    table = _table()
    names = {FhirVersion.STU3: table.STU3, FhirVersion.R4: table.R4}[version].get(type_, ())
    return frozenset((*table.every.names, *names))


@cache
def _table() -> BaseParameterRows:
    return read(TABLE, BaseParameterRows)
