"""The engine on scripts of our own: each feature, on a server that behaves and on one that does not."""

import asyncio

import pytest
from unit.workbench.qualify.scripts import (
    SERVER,
    assertion,
    document,
    element,
    operation,
    play,
    reasons,
    rule,
    side,
    variable,
    verdicts,
)
from unit.workbench.qualify.xis import BASE, Xis

from profiles.fhir.version import FhirVersion
from workbench.qualify.ports import ProfileVerdict
from workbench.qualify.results import Status

CODE = {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Height"}]}
SUBJECT = {"reference": "Patient/rich", "display": "R. Testpersoon"}


def observation(ident, day):
    return {
        "resourceType": "Observation",
        "id": ident,
        "meta": {"profile": ["http://example.org/height"]},
        "status": "final",
        "code": CODE,
        "subject": SUBJECT,
        "effectiveDateTime": day,
    }


RESOURCES = [
    {"resourceType": "Patient", "id": "rich", "name": [{"family": "Testpersoon"}]},
    {"resourceType": "Patient", "id": "other"},
    observation("o1", "2026-03-01"),
    observation("o2", "2026-03-30"),
    {"resourceType": "Task", "id": "t1", "status": "in-progress", "intent": "plan", "for": SUBJECT},
    {"resourceType": "Binary", "id": "b1", "contentType": "application/pdf", "content": "JVBERi0="},
    {
        "resourceType": "DocumentReference",
        "id": "d1",
        "status": "current",
        "subject": SUBJECT,
        "content": [{"attachment": {"url": "Binary/b1", "contentType": "application/pdf"}}],
    },
]
TOKENS = {"rich-token-0001": "rich", "other-token-0001": "other"}


def xis(spoil=None):
    return Xis(FhirVersion.STU3, RESOURCES, TOKENS, spoil)


def run(data, app=None, files=None, **more):
    return asyncio.run(play(app or xis(), data, files, **more))


SEARCH = operation(resource="Observation", params="?code=http://loinc.org|8302-2")


def test_a_search_and_its_asserts_pass_on_a_careful_server():
    app = xis()
    result = run(
        document(
            SEARCH,
            assertion(operator="in", responseCode="200,201", stopTestOnFail="true"),
            assertion(resource="Bundle", direction="response"),
            assertion(expression="Bundle.type", operator="equals", value="searchset"),
            assertion(expression="Bundle.entry.where(resource.is(Observation)).count() = 2"),
            assertion(expression="Bundle.entry.resource.id", operator="contains", value="o2"),
            assertion(contentType="json"),
            assertion(headerField="Content-Type", operator="contains", value="json"),
            assertion(requestURL="patient=", operator="notContains", direction="request"),
            assertion(requestMethod="get"),
            assertion(response="okay"),
        ),
        app,
    )
    assert result.status is Status.PASSED, reasons(result)
    method, url, headers, _ = app.requests[0]
    assert (method, url) == ("GET", "Observation?code=http%3A%2F%2Floinc.org%7C8302-2"), "the query is percent-encoded"
    assert headers["accept"] == "application/fhir+json"
    assert headers["authorization"] == "Bearer rich-token-0001"


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"operator": "in", "responseCode": "401,403"}, "the HTTP status is 200, wanted: in 401,403"),
        ({"operator": "notIn", "responseCode": "200,201"}, "wanted: notIn"),
        ({"resource": "Patient"}, "the resource type is Bundle"),
        ({"expression": "Bundle.entry.count() = 3"}, "the expression gives false"),
        ({"expression": "Bundle.entry.resource.subject.birthDate"}, "the expression gives (empty)"),
        ({"expression": "Bundle.type", "operator": "equals", "value": "batch"}, "the value is searchset"),
        ({"expression": "Bundle.entry.resource.id", "operator": "empty"}, "the value is o2, o1"),
        ({"expression": "Bundle.entry.resource.id", "operator": "notEquals", "value": "o1"}, "wanted: notEquals o1"),
        ({"expression": "Bundle.total", "operator": "greaterThan", "value": "10"}, "the value is 2"),
        ({"expression": "Bundle.entry.resource.id.contains('o')"}, "single item"),
        ({"headerField": "Location", "operator": "notEmpty"}, "the header Location is absent"),
        ({"contentType": "xml"}, "the content type is json"),
        ({"requestURL": "loinc", "operator": "notContains"}, "the request URL is"),
        ({"response": "notFound"}, "wanted: equals 404"),
        ({"navigationLinks": "true"}, "lacks a first, last or next link"),
    ],
)
def test_what_does_not_hold_fails_with_its_reason(check, said):
    result = run(document(SEARCH, assertion(**check)))
    assert result.status is Status.FAILED
    assert said in reasons(result)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"expression": "Bundle.entry.bogus("}, "syntax error"),
        ({"expression": "Bundle.conformsTo('x')"}, "not known"),
        ({"expression": "Bundle.type", "operator": "resembles", "value": "x"}, "the operator 'resembles' is not known"),
        ({"expression": "Bundle.id = '${nobody}'"}, "there is no such variable"),
        ({"path": "fhir:Bundle/fhir:type"}, "assert.path"),
        ({"response": "teapot"}, "'teapot' is not known"),
        ({"validateProfileId": "nowhere"}, "does not say which profile"),
        ({"defaultManualCompletion": "pass"}, "assert.defaultManualCompletion"),
        ({"minimumId": "nothing"}, "cannot be read"),
        ({}, "names nothing to check"),
    ],
)
def test_what_is_not_known_is_not_evaluated_and_never_passes(check, said):
    result = run(document(SEARCH, assertion(**check)))
    assert verdicts(result) == ["not evaluated"]
    assert result.status is Status.NOT_EVALUATED
    assert said in reasons(result)


def test_an_unknown_rule_extension_or_element_is_not_evaluated():
    unknown = '<extension url="http://example.org/other"><valueString value="x"/></extension>'
    result = run(document(SEARCH, assertion(rule("no-such-rule")), assertion(unknown, responseCode="200")))
    assert verdicts(result) == ["not evaluated", "not evaluated"]
    script = document(operation(resource="Patient", targetFormat="x"), head="<scope/>")
    result = run(script)
    assert verdicts(result, "operation") == ["not evaluated"]
    assert "operation.targetFormat" in reasons(result)
    assert "scope" in reasons(result)


def test_a_failing_rule_names_the_element_that_breaks_it():
    def forget(bundle):
        del bundle["entry"][1]["resource"]["subject"]["display"]

    rule_12 = "Bundle.descendants().where($this.is(Reference)).all(display.exists())"
    result = run(document(SEARCH, assertion(expression=rule_12)), xis(forget))
    assert "Bundle.entry[1].resource.subject" in reasons(result)
    assert "Patient/rich" in reasons(result)


def test_a_warning_is_a_warning_and_a_stop_stops_the_script():
    result = run(
        document(
            SEARCH,
            assertion(responseCode="201", warningOnly="true", stopTestOnFail="true"),
            assertion(responseCode="202", stopTestOnFail="true"),
            assertion(responseCode="200"),
            SEARCH,
            teardown=SEARCH,
        )
    )
    assert verdicts(result) == ["warning", "failed", "skipped"]
    assert verdicts(result, "operation") == ["passed", "skipped", "passed"], "teardown runs all the same"


def test_a_failing_setup_skips_the_tests():
    result = run(
        document(SEARCH, setup=operation("read", resource="Task", params="/none") + assertion(responseCode="200"))
    )
    assert verdicts(result, "operation") == ["passed", "skipped"]
    assert result.status is Status.FAILED


def test_variables_come_from_defaults_answers_headers_and_the_user():
    app = xis()
    head = "".join(
        [
            variable(name="T", defaultValue="${CURRENTDATE}"),
            variable(name="once", defaultValue="${UUID}"),
            variable(name="first", expression="Bundle.entry.resource.id", sourceId="found"),
            variable(name="kind", headerField="content-type", sourceId="found"),
            variable(name="given"),
        ]
    )
    result = run(
        document(
            operation(
                resource="Observation", params="?date=ge${DATE, T, D, -5}&date=le${DATE,T, d, 5}", responseId="found"
            ),
            operation("read", resource="Observation", params="${first}"),
            assertion(expression="Observation.id = '${first}'"),
            assertion(expression="Observation.id", operator="equals", value="${first}"),
            operation(
                resource="Patient", params="?a=${once}&b=${once}&c=${UUID}&d=${kind}&e=${given}&f=${CD6}-${RANDOM-10}"
            ),
            head=head,
        ),
        app,
        variables={"given": "x y"},
    )
    assert verdicts(result) == ["passed", "passed"], reasons(result)
    assert app.requests[0][1] == "Observation?date=ge2026-03-26&date=le2026-04-05"
    assert app.requests[1][1] == "Observation/o2"
    query = dict(pair.split("=") for pair in app.requests[2][1].partition("?")[2].split("&"))
    assert query["a"] == query["b"] != query["c"], "a default is made once, a placeholder each time"
    assert query["d"] == "application%2Ffhir%2Bjson"
    assert query["e"] == "x%20y"
    made, _, random = query["f"].partition("-")
    assert (len(made), len(random), (made + random).isdigit()) == (6, 10, True)


def test_a_value_that_the_server_should_have_given_is_the_servers_failure_a_value_of_the_user_is_not():
    head = variable(name="url", expression="Bundle.link.where(relation = 'next').url", sourceId="found")
    head += variable(name="ours") + variable(name="early", expression="Bundle.id", sourceId="never")
    result = run(
        document(
            operation(resource="Patient", responseId="found"),
            operation("read", url="${url}"),
            assertion(responseCode="200"),
            operation("read", url="${ours}/x"),
            operation("read", url="${early}/x"),
            head=head,
        )
    )
    assert verdicts(result, "operation") == ["passed", "failed", "not evaluated", "not evaluated"]
    assert verdicts(result) == ["skipped"], "an assert about a request that was not sent is not a pass"
    assert "--variable NAME=VALUE" in reasons(result)


def test_a_value_from_an_answer_cannot_break_out_of_an_expression():
    evil = [{"resourceType": "Patient", "id": "rich", "name": [{"family": "x' or true or 'x"}]}]
    head = variable(name="family", expression="Bundle.entry.resource.name.family", sourceId="found")
    result = run(
        document(
            operation(resource="Patient", responseId="found"),
            assertion(expression="Bundle.entry.resource.name.where(family = 'y${family}').exists()"),
            head=head,
        ),
        Xis(FhirVersion.STU3, evil, TOKENS),
    )
    assert verdicts(result) == ["failed"]


FIXTURE = b"""<Observation xmlns="http://hl7.org/fhir">
  <id value="new-${CD6}"/><status value="final"/><code><text value="t"/></code>
  <subject><reference value="Patient/${who}"/></subject>
  <effectiveDateTime value="${DATE, T, M, -1}T07:05:00+02:00"/>
</Observation>"""
FIXTURE_HEAD = (
    '<fixture id="new"><resource><reference value="../_reference/new.xml"/></resource></fixture>'
    + variable(name="T", defaultValue="${CURRENTDATE}")
    + variable(name="who", defaultValue="rich&amp;<")
    + variable(name="new-id", expression="Observation.id", sourceId="new")
)


def test_fixtures_are_filled_in_and_sent_in_the_format_asked():
    app = xis()
    files = {"set/_reference/new.xml": FIXTURE}
    sent = document(
        operation(
            "update", resource="Observation", params="/${new-id}", sourceId="new", contentType="json", accept="json"
        ),
        assertion(responseCode="200"),
        assertion(minimumId="new"),
        assertion(expression="Observation.id", compareToSourceId="new", compareToSourceExpression="Observation.id"),
        assertion(expression="Observation.status = 'final'", direction="request"),
        operation(
            "update", resource="Observation", params="/${new-id}", sourceId="new", contentType="xml", accept="xml"
        ),
        assertion(contentType="xml"),
        operation("read", resource="Observation", params="/o1", accept="xml"),
        assertion(minimumId="new"),
        head=FIXTURE_HEAD,
    )
    result = run(sent, app, files)
    assert verdicts(result)[:5] == ["passed"] * 5, reasons(result)
    assert verdicts(result)[5] == "failed"
    json_request, xml_request = app.requests[0], app.requests[1]
    assert json_request[2]["content-type"] == "application/fhir+json"
    assert b'"2026-02-28T07:05:00+02:00"' in json_request[3], "a month that is too short gives its last day"
    assert b"Patient/rich&amp;amp;&lt;" in xml_request[3], "values are escaped"


def test_a_fixture_outside_the_set_or_absent_is_not_evaluated():
    for reference in ("../../../secret.xml", "../_reference/none.xml"):
        head = f'<fixture id="x"><resource><reference value="{reference}"/></resource></fixture>'
        result = run(document(operation("create", resource="Observation", sourceId="x"), head=head))
        assert verdicts(result, "operation") == ["not evaluated"]


def test_transactions_and_batches_go_to_the_base():
    bundle = (
        b'{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Observation"},'
        b'"request":{"method":"POST","url":"Observation"}}]}'
    )
    app = xis()
    head = '<fixture id="b"><resource><reference value="b.json"/></resource></fixture>'
    prefer = '<requestHeader><field value="Prefer"/><value value="return=representation"/></requestHeader>'
    result = run(
        document(
            operation("batch", prefer, resource="Bundle", sourceId="b", contentType="json"),
            assertion(expression="Bundle.type", operator="equals", value="batch-response"),
            head=head,
        ),
        app,
        {"set/role/b.json": bundle},
    )
    assert result.status is Status.PASSED, reasons(result)
    assert app.requests[0][:2] == ("POST", "")
    assert app.requests[0][2]["prefer"] == "return=representation"


def test_a_document_is_asked_for_as_itself_where_the_script_names_no_format():
    url = "Bundle.link.url.replaceMatches('DocumentReference[/?].*$','') + Bundle.entry.resource.content.attachment.url"
    app = xis()
    result = run(
        document(
            operation(resource="DocumentReference", params="?status=current", responseId="found"),
            operation("get", url="${pdf}", contentType="none", accept=""),
            assertion(headerField="Content-Type", value="application/pdf"),
            head=variable(name="pdf", expression=url, sourceId="found"),
        ).replace(b'<accept value=""/>', b""),
        app,
    )
    assert result.status is Status.PASSED, reasons(result)
    assert app.requests[1][1] == "Binary/b1"
    assert "accept" not in app.requests[1][2]


def test_a_token_that_is_not_known_is_refused_by_the_server_and_the_script_sees_it():
    other = '<requestHeader><field value="Authorization"/><value value="Bearer nobody"/></requestHeader>'
    result = run(
        document(operation(extra=other, resource="Patient"), assertion(operator="notEquals", responseCode="200"))
    )
    assert result.status is Status.PASSED
    assert "nobody" not in str(result), "a report holds no token"


def test_a_body_that_is_no_fhir_fails_the_asserts_on_it():
    async def odd(scope, receive, send):
        headers = [(b"content-type", b"application/fhir+json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"resourceType":"Bundle","resourceType":"Patient"}'})

    result = run(document(SEARCH, assertion(resource="Bundle"), assertion(expression="Bundle.exists()")), odd)
    assert verdicts(result) == ["failed", "failed"]
    assert "cannot be read" in reasons(result)


def test_a_server_that_is_gone_fails_the_request_and_nothing_is_raised():
    async def gone(scope, receive, send):
        import httpx

        raise httpx.ConnectError("connection refused")

    result = run(document(SEARCH, assertion(responseCode="200")), gone)
    assert verdicts(result, "operation") == ["failed"]
    assert verdicts(result) == ["skipped"]


class Checker:
    """A validator that finds what it is told to find."""

    def __init__(self, outcome):
        self.outcome, self.asked = outcome, []

    def check(self, resource, version, profiles):
        self.asked.append((resource["resourceType"], version, list(profiles)))
        return ProfileVerdict(self.outcome, ["Bundle.entry[0]: something"])


@pytest.mark.parametrize(("outcome", "status"), [("ok", "passed"), ("wrong", "failed"), ("unchecked", "not evaluated")])
def test_profiles_are_checked_by_the_validator(outcome, status):
    head = '<profile id="core" value="http://hl7.org/fhir/StructureDefinition/Bundle"/>'
    head += '<profile id="own" value="http://example.org/fhir/StructureDefinition/own"/>'
    checker = Checker(outcome)
    script = document(SEARCH, assertion(validateProfileId="core"), assertion(validateProfileId="own"), head=head)
    result = run(script, checker=checker)
    assert verdicts(result) == [status, status]
    core, own = checker.asked
    assert core[2] == [], "the core profile of the type adds nothing to base FHIR and what the entries claim"
    assert own[2] == ["http://example.org/fhir/StructureDefinition/own"]


def test_without_a_validator_profiles_are_not_evaluated():
    head = '<profile id="core" value="http://hl7.org/fhir/StructureDefinition/Bundle"/>'
    assert verdicts(run(document(SEARCH, assertion(validateProfileId="core"), head=head))) == ["not evaluated"]


def declared(rule_id, name):
    url = "http://touchstone.aegis.net/touchstone/fhir/testing/StructureDefinition/testscript-rule"
    return (
        f'<extension url="{url}"><extension url="ruleId"><valueId value="{rule_id}"/></extension>'
        f'<extension url="path"><valueString value="../_reference/rules/{name}.groovy"/></extension></extension>'
    )


SELF_LINK = declared("assert-response-queryParamsInSelfLink", "assert_response_queryParamsInSelfLink")


@pytest.mark.parametrize(
    ("link", "status"),
    [
        (f"{BASE}/Observation?code=http%3A%2F%2Floinc.org%7C8302-2&subject=rich", "passed"),
        (f"{BASE}/Observation?subject=Patient/rich&code=http://loinc.org|8302-2&x=y", "passed"),
        (f"{BASE}/Observation?code=http://loinc.org|8302-2", "warning"),
        (f"{BASE}/Observation?code=8302-2&subject=rich", "warning"),
        (None, "warning"),
    ],
)
def test_rule_every_parameter_stands_in_the_self_link(link, status):
    def relink(bundle):
        bundle["link"] = [{"relation": "self", "url": link}] if link else []

    search = operation(resource="Observation", params="?code=http://loinc.org|8302-2&subject=Patient/rich")
    check = assertion(rule("assert-response-queryParamsInSelfLink"), warningOnly="true")
    assert verdicts(run(document(search, check, head=SELF_LINK), xis(relink))) == [status]


def test_rule_the_request_url_contains():
    head = declared("contains", "assertRequestURLContains")
    check = assertion(rule("contains", expected="code=http://loinc.org|8302-2"))
    wrong = assertion(rule("contains", expected="code=other"))
    assert verdicts(run(document(SEARCH, check, wrong, head=head))) == ["passed", "failed"]


def test_rules_rewrite_the_task_just_read_and_it_can_be_put_back():
    app = xis()
    head = declared("modifyTask", "rewrite-response-taskStatus")
    head += declared("moveTask", "rewrite-response-taskWithAlternativeDate")
    head += '<fixture id="done"><resource><reference value="../_reference/x.xml"/></resource></fixture>'
    result = run(
        document(
            operation("read", resource="Task", params="/t1"),
            assertion(rule("modifyTask", "done", newStatus="completed", fixtureId="done")),
            operation("update", resource="Task", params="/t1", sourceId="done", contentType="json"),
            operation("read", resource="Task", params="/t1"),
            assertion(expression="Task.status = 'completed' and Task.intent = 'plan'"),
            assertion(rule("moveTask", "moved", newDate="2026-05-05")),
            operation("update", resource="Task", params="/t1", sourceId="moved", contentType="json"),
            assertion(expression="Task.executionPeriod.start = '2026-05-05' and Task.status = 'completed'"),
            operation("read", resource="Patient", params="/rich"),
            assertion(rule("modifyTask", "done", newStatus="completed")),
            assertion(rule("moveTask", "moved")),
            head=head,
        ),
        app,
    )
    assert verdicts(result) == ["passed", "passed", "passed", "passed", "failed", "failed"], reasons(result)


def test_what_the_system_under_test_would_send_is_not_evaluated_unless_asked():
    sides = side("origin", 1, under_test=True) + side("destination", 1, under_test=False)
    script = document(
        operation(resource="Patient", origin="1", destination="1"), assertion(responseCode="200"), sides=sides
    )
    assert verdicts(run(script), "operation") == ["not evaluated"]
    assert verdicts(run(script, play_client=True)) == ["passed"]


def test_what_goes_to_the_simulator_is_not_evaluated():
    both = SERVER + side("destination", 2, under_test=False)
    script = document(operation(resource="Patient", origin="1", destination="2"), sides=both)
    assert "test simulator" in reasons(run(script))


def test_evidence_holds_request_and_response_without_token_or_number():
    number = {"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": "999990019"}
    person = [{"resourceType": "Patient", "id": "rich", "identifier": [number]}]
    search = operation(resource="Patient", params="?identifier=http://fhir.nl/fhir/NamingSystem/bsn|999990019")
    result = run(document(search, assertion(responseCode="200")), Xis(FhirVersion.STU3, person, TOKENS))
    (traffic,) = [one.traffic for test in result.tests for one in test.actions if one.traffic]
    assert "GET https://xis.example/fhir/Patient?identifier=" in traffic.request
    assert '"resourceType": "Bundle"' in traffic.response
    assert "999990019" not in str(result)
    assert "rich-token-0001" not in str(result)


def test_autocreate_is_said_not_to_be_known():
    head = '<fixture id="x"><autocreate value="true"/><autodelete value="true"/></fixture>'
    result = run(document(SEARCH, head=head))
    assert result.status is Status.NOT_EVALUATED
    assert "fixture.autocreate (x)" in reasons(result)


def test_element_helper_writes_what_the_reader_reads():
    assert element("x", a='"') == '<x><a value="&quot;"/></x>'
