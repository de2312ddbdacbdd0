"""What matching costs, against a naive baseline in the same run.

The baseline does what a first version would do: read the query again for each resource and walk a dotted path. Run with
``python -m benchmarks.search``. Matching runs on search keys, as in the gateway.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.frame import Bench, Figure, best_of, finish, machine, options
from profiles.fhir.codec import jsonio
from profiles.fhir.interactions import FhirRequest
from profiles.fhir.search.keys import keys, opened, stored
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


def search(_asked: argparse.Namespace, _folder: Path) -> Bench:
    """The whole benchmark."""
    resources = [observation(number) for number in range(1000)]
    kept = [keys(FhirVersion.STU3, one) for one in resources]
    bench = Bench("search", f"{len(resources)} observations of 2 kB, in memory", machine())
    for query in (
        f"category={SCT}|275711006",
        f"code={LOINC}|718-1,{LOINC}|718-2,{LOINC}|718-3",
        f"category={SCT}|275711006&date=ge2026-01-10",
        "context=Encounter/e1,Encounter/e2",
    ):
        compiled = compile_search(FhirVersion.STU3, "Observation", parse_query(query))
        expected = [naive(query, one) for one in resources]
        if [compiled.matches(one) for one in kept] != expected:
            raise SystemExit(f"the baseline and the search disagree on {query}")
        ours = best_of(partial(_all, compiled.matches, kept), len(kept))
        base = best_of(partial(_all, partial(naive, query), resources), len(resources))
        bench.add(Figure(f"match {query}", ours, "us", base, "reading query and path again for each"))
    texts = [stored(FhirVersion.STU3, one).search for one in resources]
    whole = [jsonio.dump(one) for one in resources]
    ours, base = best_of(partial(_all, opened, texts), 1000), best_of(partial(_all, jsonio.load, whole), 1000)
    bench.add(Figure("search keys parsed", ours, "us", base, "parsing the resource"))
    made = best_of(partial(_all, partial(stored, FhirVersion.STU3), resources), 1000)
    bench.add(Figure("search keys made", made, "us", base, "parsing the resource"))
    standard = catalogue().standards["bgz-3"]
    for path, operation, query in (
        ("Condition", None, ""),
        ("Observation", "lastn", f"category={SCT}|275711006&_include=Observation:specimen"),
    ):
        interaction = "operation" if operation else "search-type"
        request = FhirRequest(standard.fhir, interaction, path, None, operation, tuple(parse_query(query)))
        cost = best_of(partial(_all, partial(admit, standard), [request] * 1000), 1000)
        bench.add(Figure(f"admit {path} {query}", cost, "us"))
    return bench


def _all(work: Callable[[Any], object], values: Sequence[Any]) -> None:
    for one in values:
        work(one)


def main() -> None:
    """Entry point."""
    asked = options(__doc__).parse_args()
    finish([search(asked, Path())], asked.json)


if __name__ == "__main__":
    main()
