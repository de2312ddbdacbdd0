"""What matching costs, against a naive baseline in the same run.

The baseline does what a first version would do: read the query again for each resource and walk a dotted path. Run with
``python benchmarks/search.py``; it prints microseconds per match and the ratio (below 1 is quicker than the baseline).
"""

import time
from collections.abc import Callable
from typing import Any

from profiles.fhir.interactions import FhirRequest
from profiles.fhir.search.search import compile_search, parse_query
from profiles.fhir.version import FhirVersion
from profiles.standards.admit import admit
from profiles.standards.load import catalogue

LOINC, SCT = "http://loinc.org", "http://snomed.info/sct"


def observation(number: int) -> dict[str, Any]:
    """An observation of about 2 kB."""
    return {
        "resourceType": "Observation",
        "id": f"obs-{number}",
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-LaboratoryTestResult-Observation"]},
        "text": {"status": "generated", "div": "<div>" + "Hemoglobine " * 90 + "</div>"},
        "status": "final",
        "category": [{"coding": [{"system": SCT, "code": "275711006", "display": "Serum chemistry test"}]}],
        "code": {"coding": [{"system": LOINC, "code": f"718-{number % 7}", "display": "Hemoglobin"}, {"code": "HB"}]},
        "subject": {"reference": "Patient/p", "display": "A. Patient"},
        "context": {"reference": f"Encounter/e{number % 5}"},
        "effectiveDateTime": f"2026-01-{number % 28 + 1:02}T10:00:00+01:00",
        "related": [{"type": "has-member", "target": {"reference": f"Observation/obs-{number + 1}", "display": "x"}}],
    }


def naive(query: str, resource: dict[str, Any]) -> bool:
    """The baseline: parse, walk and compare for each resource."""
    for name, value in parse_query(query):
        nodes: list[Any] = [resource]
        for step in {"date": "effectiveDateTime"}.get(name, name).split("."):
            nodes = [child for node in nodes if isinstance(node, dict) for child in _listed(node.get(step))]
        if not any(_naive_fits(node, one) for node in nodes for one in value.split(",")):
            return False
    return True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _naive_fits(node: Any, wanted: str) -> bool:
    if isinstance(node, dict):
        codings = node.get("coding", [node])
        return any(f"{one.get('system', '')}|{one.get('code', one.get('value', ''))}" == wanted for one in codings) or (
            node.get("reference") == wanted
        )
    return node >= wanted[2:] if wanted[:2] == "ge" else bool(node == wanted)


def per_call(work: Callable[[], object], calls: int) -> float:
    """Microseconds of processor time per call, the best of five."""
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        work()
        best = min(best, (time.process_time() - started) / calls * 1e6)
    return best


def main() -> None:
    """Measure and print."""
    resources = [observation(number) for number in range(1000)]
    print(f"{'query':64} {'us/match':>9} {'naive':>9} {'ratio':>6}")
    for query in (
        f"category={SCT}|275711006",
        f"code={LOINC}|718-1,{LOINC}|718-2,{LOINC}|718-3",
        f"category={SCT}|275711006&date=ge2026-01-10",
        "context=Encounter/e1,Encounter/e2",
    ):
        search = compile_search(FhirVersion.STU3, "Observation", parse_query(query))
        expected = [naive(query, one) for one in resources]
        if [search.matches(one) for one in resources] != expected:
            raise SystemExit(f"the baseline and the search disagree on {query}")
        ours = per_call(lambda search=search: [search.matches(one) for one in resources], len(resources))  # type: ignore[misc]
        base = per_call(lambda query=query: [naive(query, one) for one in resources], len(resources))  # type: ignore[misc]
        print(f"{query[:64]:64} {ours:9.2f} {base:9.2f} {ours / base:6.2f}")
    standard = catalogue().standards["bgz-3"]
    for path, operation, query in (
        ("Condition", None, ""),
        ("Observation", "lastn", f"category={SCT}|275711006&_include=Observation:specimen"),
    ):
        interaction = "operation" if operation else "search-type"
        request = FhirRequest(standard.fhir, interaction, path, None, operation, tuple(parse_query(query)))
        cost = per_call(lambda request=request: [admit(standard, request) for _ in range(1000)], 1000)  # type: ignore[misc]
        print(f"admit {path} {query[:50]:52} {cost:9.2f}")


if __name__ == "__main__":
    main()
