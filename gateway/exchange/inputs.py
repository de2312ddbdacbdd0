"""The searches that another institution's Task names: untrusted text, held to what such a search can be (RX-01)."""

from urllib.parse import unquote

from profiles.fhir.search.search import parse_query

MOST, LONGEST = 60, 2_000
TYPES = frozenset(
    {
        "Patient",
        "Coverage",
        "Consent",
        "Condition",
        "Observation",
        "NutritionOrder",
        "Flag",
        "AllergyIntolerance",
        "MedicationStatement",
        "MedicationRequest",
        "MedicationDispense",
        "DeviceUseStatement",
        "Immunization",
        "Procedure",
        "Encounter",
        "ProcedureRequest",
        "ImmunizationRecommendation",
        "DeviceRequest",
        "Appointment",
        "CareTeam",
        "DocumentReference",
    }
)
"""What a BgZ and its letters consist of (GR-03). Binary is never searched."""
OPERATIONS = frozenset({"", "$lastn"})


class NoSearch(ValueError):
    """An input that is not followed; the text says why and repeats nothing of it."""


def search_in(value: object, base: str) -> str:
    """The search as an address below the FHIR base of the sender, ``Type?...``. Raises NoSearch.

    A whole address is understood when it begins with the base that the partner table has, and in no other case.
    """
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
        raise NoSearch(f"a search is a text of at most {LONGEST} characters")
    text = value.removeprefix(f"{base}/") if base else value
    if not text.isprintable() or not text.isascii() or any(sign in text for sign in ' #\\@<>"{}^`'):
        raise NoSearch("it holds characters that are no part of a search")
    path, _, query = text.partition("?")
    type_, _, operation = path.partition("/")
    if ":" in path or ".." in unquote(path) or path.startswith("/") or "//" in path or "%" in path:
        raise NoSearch("it leads to another address than the sender's")
    if type_ not in TYPES or operation not in OPERATIONS:
        raise NoSearch("it is no search of the data set")
    try:
        pairs = parse_query(query)
    except ValueError as fault:
        raise NoSearch("its parameters cannot be read") from fault
    if any("identifier" in name or name.partition(":")[0] in ("patient", "subject") for name, _ in pairs):
        raise NoSearch("it names a person: that follows from the grant")
    return text
