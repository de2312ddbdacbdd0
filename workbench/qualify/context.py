"""What one script run knows: variables, fixtures, and the requests and answers so far."""

import json
import posixpath
from collections.abc import Mapping
from datetime import date
from xml.sax.saxutils import escape as xml_escape

from profiles import fhirpath
from profiles.fhir.version import FhirVersion
from profiles.fhirpath import FhirPathError, as_text
from workbench.qualify.exchange import Body, ScriptExchange, fixture_media
from workbench.qualify.files import Files, MissingFile, inside
from workbench.qualify.ports import ProfileChecker
from workbench.qualify.script import Script, Variable
from workbench.qualify.variables import MissingVariable, Placeholders


def json_escape(text: str) -> str:
    """A value as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def attribute_escape(text: str) -> str:
    """A value as it stands inside an XML attribute."""
    return xml_escape(text, {'"': "&quot;"})


def expression_escape(text: str) -> str:
    """A value as it stands inside a FHIRPath string."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


class ScriptContext:
    """The state of one script run. ``overrides`` are values given by the user; they go before everything else."""

    def __init__(
        self,
        script: Script,
        files: Files,
        *,
        today: date,
        version: FhirVersion,
        overrides: Mapping[str, str] | None = None,
        checker: ProfileChecker | None = None,
    ) -> None:
        self.script = script
        self.version = version
        self.checker = checker
        self.last: ScriptExchange | None = None
        self.unsent = ""
        self._files = files
        self._overrides = dict(overrides or {})
        self._defaults: dict[str, str] = {}
        self._resolving: set[str] = set()
        self._exchanges: dict[str, ScriptExchange] = {}
        self._requests: dict[str, ScriptExchange] = {}
        self._fixtures: dict[str, Body] = {}
        self._placeholders = Placeholders(today, self.variable)
        self.fill = self._placeholders.fill

    def keep(self, exchange: ScriptExchange, response_id: str | None, request_id: str | None) -> None:
        """Remember an exchange as the last one, and under the names that the script gives it."""
        self.last = exchange
        if response_id:
            self._exchanges[response_id] = exchange
        if request_id:
            self._requests[request_id] = exchange

    def make_fixture(self, name: str, content: Body) -> None:
        """Keep a document made while running (by a rule) as a fixture."""
        self._fixtures[name] = content

    def is_response(self, source_id: str | None) -> bool:
        """Whether a source is an answer of the server rather than a fixture."""
        return bool(source_id) and source_id not in self.script.fixtures and source_id not in self._fixtures

    def exchange(self, source_id: str | None) -> ScriptExchange | None:
        """The exchange under a name, or the last one."""
        if not source_id:
            return self.last
        return self._exchanges.get(source_id) or self._requests.get(source_id)

    def content(self, source_id: str) -> Body | None:
        """The document under a name: an answer, a request body, or a fixture; None when there is none.

        MissingVariable or MissingFile when a fixture cannot be filled in or found.
        """
        if source_id in self._exchanges:
            return self._exchanges[source_id].answer
        if source_id in self._requests:
            return self._requests[source_id].sent
        if source_id not in self._fixtures and source_id in self.script.fixtures:
            self._fixtures[source_id] = self._fixture(source_id)
        return self._fixtures.get(source_id)

    def _fixture(self, fixture_id: str) -> Body:
        reference = self.script.fixtures[fixture_id].reference
        if not reference:
            raise MissingFile(f"fixture {fixture_id} names no file")
        data = self._files.read(inside(posixpath.dirname(self.script.path), reference))
        media = fixture_media(reference, data)
        escape = json_escape if media.endswith("json") else attribute_escape
        return Body(self.fill(data.decode("utf-8-sig"), escape).encode(), media, self.version)

    def variable(self, name: str) -> str | None:
        """The value of a variable of the script; None when it has no such variable.

        MissingVariable when the variable has no value (yet).
        """
        if name in self._overrides:
            return self._overrides[name]
        variable = self.script.variables.get(name)
        if variable is None or name in self._resolving:
            return None
        self._resolving.add(name)
        try:
            return self._value(variable)
        finally:
            self._resolving.discard(name)

    def _value(self, variable: Variable) -> str:
        if variable.source_id or variable.header_field:
            found = self._from_source(variable)
            if found is not None:
                return found
        if variable.name in self._defaults:
            return self._defaults[variable.name]
        if variable.default is not None:
            self._defaults[variable.name] = self.fill(variable.default)
            return self._defaults[variable.name]
        if variable.path:
            raise MissingVariable(variable.name, "is defined by a path, which this engine does not evaluate")
        if variable.source_id:
            asked = self.exchange(variable.source_id) is not None
            raise MissingVariable(
                variable.name,
                f"{variable.expression or variable.header_field} gives nothing on {variable.source_id}",
                given_by_server=asked and self.is_response(variable.source_id),
            )
        raise MissingVariable(variable.name, "has no value; give one (--variable NAME=VALUE)")

    def _from_source(self, variable: Variable) -> str | None:
        if variable.header_field:
            exchange = self.exchange(variable.source_id)
            return _header(exchange.answer_headers, variable.header_field) if exchange else None
        content = self.content(variable.source_id or "")
        if content is None or content.node is None or not variable.expression:
            return None
        try:
            expression = fhirpath.compile(self.fill(variable.expression, expression_escape))
            values = expression.evaluate(content.node, self.version)
        except FhirPathError as error:
            raise MissingVariable(
                variable.name, str(error), given_by_server=self.is_response(variable.source_id)
            ) from None
        return as_text(values[0]) if values else None


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)
