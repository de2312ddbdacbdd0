"""Scripts written for the tests: small TestScripts put together from parts."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

import httpx
from unit.workbench.qualify.xis import BASE

from profiles.fhir.version import FhirVersion
from workbench.qualify.engine import RunPlan, run_script
from workbench.qualify.files import MissingFile
from workbench.qualify.reading import read_script

RULES = "http://touchstone.aegis.net/touchstone/fhir/testing/StructureDefinition/"
SUT = "http://fhir.interoplab.eu/fhir/StructureDefinition/Interoplab-CL-ext-SUT"


class Memory:
    """Files that are only in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.names = sorted(self.files)

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise MissingFile(f"{name} is not in the set")
        return self.files[name]


def element(name: str, /, **parts: str) -> str:
    """``element("assert", responseCode="200")`` with the parts as children that have a value."""
    quotes = {'"': "&quot;"}
    inside = "".join(f'<{part} value="{escape(value, quotes)}"/>' for part, value in parts.items())
    return f"<{name}>{inside}</{name}>"


def assertion(extra: str = "", **parts: str) -> str:
    """An action with an assert."""
    defaults = {"description": "something holds", "warningOnly": "false"}
    return f"<action>{element('assert', **{**defaults, **parts}).replace('<assert>', '<assert>' + extra)}</action>"


def operation(code: str = "search", extra: str = "", **parts: str) -> str:
    """An action with an operation; the token is that of the rich patient."""
    header = (
        '<requestHeader><field value="Authorization"/><value value="${token}"/></requestHeader>'
        if "Authorization" not in extra
        else ""
    )
    parts = {"accept": "json", **parts}
    inside = element("operation", **parts).replace("<operation>", f'<operation><type><code value="{code}"/></type>')
    return f"<action>{inside.replace('</operation>', header + extra + '</operation>')}</action>"


def variable(**parts: str) -> str:
    """A variable."""
    return element("variable", **parts)


def rule(rule_id: str, output: str = "", **params: str) -> str:
    """The extension of an assert that calls a rule."""

    def part(url: str, *inner: str) -> str:
        return f'<extension url="{url}">{"".join(inner)}</extension>'

    def text(url: str, value: str) -> str:
        return part(url, f'<valueString value="{value}"/>')

    parts = [part("ruleId", f'<valueId value="{rule_id}"/>')]
    parts += [part("param", text("name", name), text("value", value)) for name, value in params.items()]
    if output:
        parts.append(part("output", text("name", output), text("contentType", "json")))
    return part(f"{RULES}testscript-assert-rule", *parts)


def side(name: str, index: int, under_test: bool) -> str:
    """An origin or destination, with the mark of the system under test."""
    mark = f'<extension url="{SUT}"><valueBoolean value="{str(under_test).lower()}"/></extension>'
    return f'<{name}>{mark}<index value="{index}"/></{name}>'


SERVER = side("origin", 1, under_test=False) + side("destination", 1, under_test=True)


def document(*actions: str, head: str = "", setup: str = "", teardown: str = "", sides: str = SERVER) -> bytes:
    """A whole script with one test; ``head`` holds fixtures, profiles, variables and more tests."""
    token = variable(name="token", defaultValue="Bearer rich-token-0001")
    return (
        '<TestScript xmlns="http://hl7.org/fhir" xmlns:nts="http://nictiz.nl/xsl/testscript"><!-- by us -->'
        f'<id value="ours"/><version value="stu3-1.0"/><name value="Ours"/>{sides}{head}{token}'
        + (f"<setup>{setup}</setup>" if setup else "")
        + f'<test><name value="one"/>{"".join(actions)}<!--<nts:include value="x"/>--></test>'
        + (f"<teardown>{teardown}</teardown>" if teardown else "")
        + "</TestScript>"
    ).encode()


async def play(app, data: bytes, files: Mapping[str, bytes] | None = None, today=None, checker=None, **plan):
    """Run a script against a server in this process and give its result."""
    from datetime import date

    script = read_script(data, "set/role/script.xml")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport) as client:
        how = RunPlan(lambda _script: BASE, today or date(2026, 3, 31), version=FhirVersion.STU3, **plan)
        return await run_script(script, Memory(files or {}), client, how, checker=checker)


def verdicts(result, kind: str = "assert") -> list[str]:
    """The statuses of the actions of this kind, in order."""
    return [str(one.status) for test in result.tests for one in test.actions if one.kind == kind]


def reasons(result) -> str:
    """All reasons in one text."""
    return "\n".join(one.reason for test in result.tests for one in test.actions)
