"""The terminology service: asked once, believed when it answers, left alone when it does not."""

import httpx
import pytest

from gateway.terminology import PATIENCE, PAUSE, TerminologyService

SNOMED = "http://snomed.info/sct"


class Service:
    """A terminology service that counts its questions."""

    def __init__(self) -> None:
        self.questions: list[dict[str, str]] = []
        self.reply: httpx.Response | Exception = httpx.Response(500)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/fhir/ValueSet/$validate-code"
        self.questions.append(dict(request.url.params))
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


def asked(service: Service, clock: list[float] | None = None) -> TerminologyService:
    now = clock or [0.0]
    client = httpx.Client(base_url="http://terms.example.org/fhir/", transport=httpx.MockTransport(service))
    return TerminologyService(client, lambda: now[0])


@pytest.mark.parametrize("result", [True, False])
def test_an_answer_is_believed_and_kept(result: bool) -> None:
    service = Service()
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "result", "valueBoolean": result}]}
    service.reply = httpx.Response(200, json=parameters)
    terminology = asked(service)
    assert terminology("http://example.org/vs", SNOMED, "386713009") is result
    assert terminology("http://example.org/vs", SNOMED, "386713009") is result
    expected = {"url": "http://example.org/vs", "system": SNOMED, "code": "386713009", "_format": "json"}
    assert service.questions == [expected]


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(404),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"parameter": [{"name": "result", "valueString": "true"}]}),
        httpx.ConnectTimeout("slow"),
    ],
)
def test_a_service_that_does_not_tell_is_left_alone_for_a_while(reply: httpx.Response | Exception) -> None:
    service, clock = Service(), [0.0]
    service.reply = reply
    terminology = asked(service, clock)
    assert [terminology("vs", SNOMED, str(code)) for code in range(10)] == [None] * 10
    assert len(service.questions) == PATIENCE
    clock[0] = PAUSE + 1
    assert terminology("vs", SNOMED, "1") is None
    assert len(service.questions) == PATIENCE + 1


def test_a_base_url_is_enough() -> None:
    assert isinstance(TerminologyService.at("http://terms.example.org/fhir"), TerminologyService)
