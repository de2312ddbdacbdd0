"""A small record of two fictitious people for the adapter tests, and a real server on the loopback interface."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import uvicorn

from adapters.port import Bsn, PatientKey

ANNA = "999911120"
BRAM = "999911132"
NOBODY = "999911144"

ANNA_KEY, BRAM_KEY, NOBODY_KEY = (PatientKey(Bsn(one)) for one in (ANNA, BRAM, NOBODY))


def person(id_: str, bsn: str, birth_date: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": bsn}],
        "birthDate": birth_date,
        "generalPractitioner": [{"reference": "Practitioner/gp"}],
    }


def condition(id_: str, patient: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": id_,
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": "http://snomed.info/sct/", "code": code}]},
        "asserter": {"reference": "Practitioner/gp"},
    }


def weight(id_: str, patient: str, value: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.1", "code": "29463-7"}]},
        "performer": [{"reference": "Practitioner/gp"}],
        "valueQuantity": {"value": Decimal(value), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }


def document(id_: str, patient: str, binary: str) -> list[dict[str, Any]]:
    return [
        {
            "resourceType": "DocumentReference",
            "id": id_,
            "status": "current",
            "subject": {"reference": f"Patient/{patient}"},
            "content": [{"attachment": {"contentType": "application/pdf", "url": f"Binary/{binary}"}}],
        },
        {"resourceType": "Binary", "id": binary, "contentType": "application/pdf", "content": "JVBERi0xLjQK"},
    ]


def record() -> list[dict[str, Any]]:
    """Both people's resources, fresh."""
    return [
        person("anna", ANNA, "1961-04-12"),
        person("bram", BRAM, "1979-09-30"),
        {"resourceType": "Practitioner", "id": "gp", "name": [{"given": ["Jo"], "family": "Huisman"}]},
        condition("c1", "anna", "195967001"),
        condition("c2", "anna", "73211009"),
        condition("c3", "bram", "22298006"),
        weight("w1", "anna", "71.50"),
        weight("w2", "bram", "88.0"),
        *document("d1", "anna", "b1"),
        *document("d2", "bram", "b2"),
    ]


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port; gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = uvicorn.Config(app, log_level="critical", lifespan="off", loop="asyncio", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)
