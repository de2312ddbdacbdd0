"""Reading TestScript XML into ``Script``. What this engine does not know is kept by name, never dropped silently."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from lxml import etree

from profiles.fhir.version import FhirVersion
from workbench.qualify.script import Action, Assertion, Fixture, Operation, RuleCall, Script, Test, Variable

NAMESPACE = "{http://hl7.org/fhir}"
RULE = "http://touchstone.aegis.net/touchstone/fhir/testing/StructureDefinition/testscript-rule"
ASSERT_RULE = "http://touchstone.aegis.net/touchstone/fhir/testing/StructureDefinition/testscript-assert-rule"
UNDER_TEST = "http://fhir.interoplab.eu/fhir/StructureDefinition/Interoplab-CL-ext-SUT"

_DESCRIPTIVE = frozenset({
    "id", "url", "identifier", "version", "name", "title", "status", "experimental", "date", "publisher", "contact",
    "description", "useContext", "jurisdiction", "purpose", "copyright", "metadata", "meta", "text", "language",
    "implicitRules", "contained", "modifierExtension",
})  # fmt: skip
_SCRIPT = _DESCRIPTIVE | {
    "extension",
    "origin",
    "destination",
    "fixture",
    "profile",
    "variable",
    "setup",
    "test",
    "teardown",
}
_OPERATION = frozenset({
    "id", "type", "resource", "label", "description", "accept", "contentType", "destination", "encodeRequestUrl",
    "method", "origin", "params", "requestHeader", "requestId", "responseId", "sourceId", "targetId", "url",
})  # fmt: skip
CHECKS = (
    "contentType", "expression", "headerField", "minimumId", "navigationLinks", "path", "requestMethod", "requestURL",
    "resource", "response", "responseCode", "validateProfileId",
)  # fmt: skip
_COMPARE = {"compareToSourceId": "id", "compareToSourceExpression": "expression", "compareToSourcePath": "path"}
_ASSERT = frozenset({
    "id", "label", "description", "direction", "operator", "value", "sourceId", "stopTestOnFail", "warningOnly",
})  # fmt: skip


class UnreadableScript(ValueError):
    """A file that is no TestScript, or not safe to read."""


def is_script(data: bytes) -> bool:
    """Whether the bytes look like a TestScript in XML, by the name of the root element."""
    head = data[:2000]
    return b"<TestScript" in head and b"http://hl7.org/fhir" in head


def read_script(data: bytes, path: str, version: FhirVersion | None = None) -> Script:
    """The script in the bytes; ``path`` names its file, ``version`` is the release when its folder says so.

    UnreadableScript for malformed XML, a document type, or another root element.
    """
    root = _root(data, path)
    told = version or _version(_text(root, "version") or "")
    variables = {one.name: one for one in map(_variable, _all(root, "variable"))}
    fixtures = {one.id: one for one in map(_fixture, _all(root, "fixture"))}
    return Script(
        id=_text(root, "id") or PurePosixPath(path).stem,
        path=path,
        title=_text(root, "title") or _text(root, "name") or path,
        description=_text(root, "description") or "",
        version=told,
        tests=tuple(_tests(root)),
        variables=variables,
        fixtures=fixtures,
        profiles={str(one.get("id")): str(one.get("value")) for one in _all(root, "profile")},
        rules=dict(_rules(root)),
        tested_origins=_tested(root, "origin"),
        tested_destinations=_tested(root, "destination"),
        unknown=tuple(sorted({name for name in map(_name, _children(root)) if name not in _SCRIPT})),
    )


def _root(data: bytes, path: str) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root: Any = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise UnreadableScript(f"{path}: {error.msg}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableScript(f"{path}: a document type declaration is not accepted")
    if root.tag != f"{NAMESPACE}TestScript":
        raise UnreadableScript(f"{path}: not a TestScript")
    return root


def _version(text: str) -> FhirVersion | None:
    known = {"stu3": FhirVersion.STU3, "r4": FhirVersion.R4, "stu4": FhirVersion.R4}
    return known.get(text.strip().lower().split("-", 1)[0])


def _name(element: Any) -> str:
    return str(element.tag.removeprefix(NAMESPACE))


def _children(element: Any) -> Iterator[Any]:
    return (child for child in element if isinstance(child.tag, str) and child.tag.startswith(NAMESPACE))


def _all(element: Any, name: str) -> list[Any]:
    return list(element.findall(NAMESPACE + name))


def _text(element: Any, *names: str) -> str | None:
    found = element.find("/".join(NAMESPACE + name for name in names))
    return None if found is None else found.get("value")


def _true(element: Any, name: str) -> bool:
    return _text(element, name) == "true"


def _number(element: Any, name: str) -> int | None:
    text = _text(element, name)
    return int(text) if text and text.isdigit() else None


def _variable(element: Any) -> Variable:
    return Variable(
        name=_text(element, "name") or "",
        default=_text(element, "defaultValue"),
        expression=_text(element, "expression"),
        source_id=_text(element, "sourceId"),
        header_field=_text(element, "headerField"),
        path=_text(element, "path"),
    )


def _fixture(element: Any) -> Fixture:
    return Fixture(
        id=element.get("id") or "",
        reference=_text(element, "resource", "reference"),
        autocreate=_true(element, "autocreate"),
        autodelete=_true(element, "autodelete"),
    )


def _rules(root: Any) -> Iterator[tuple[str, str]]:
    for extension in _all(root, "extension"):
        if extension.get("url") == RULE:
            parts = {part.get("url"): part for part in _all(extension, "extension")}
            rule_id, path = (_extension_value(parts.get(name)) for name in ("ruleId", "path"))
            if rule_id:
                yield rule_id, PurePosixPath(path or rule_id).stem


def _tested(root: Any, name: str) -> frozenset[int]:
    indexes = set()
    for element in _all(root, name):
        marks = [one for one in _all(element, "extension") if one.get("url") == UNDER_TEST]
        if any(_text(mark, "valueBoolean") == "true" for mark in marks):
            indexes.add(_number(element, "index") or 1)
    return frozenset(indexes)


def _tests(root: Any) -> Iterator[Test]:
    for part in (*_all(root, "setup"), *_all(root, "test"), *_all(root, "teardown")):
        kind = _name(part)
        yield Test(
            id=part.get("id") or kind,
            name=_text(part, "name") or kind.capitalize(),
            description=_text(part, "description") or "",
            actions=tuple(_actions(part)),
        )


def _actions(part: Any) -> Iterator[Action]:
    for action in _all(part, "action"):
        for element in _children(action):
            name = _name(element)
            if name == "operation":
                yield _operation(element)
            elif name == "assert":
                yield _assertion(element)
            else:
                yield Assertion(unknown=(f"action.{name}",))


def _operation(element: Any) -> Operation:
    names = {_name(child) for child in _children(element)}
    return Operation(
        code=_text(element, "type", "code") or "",
        resource=_text(element, "resource"),
        params=_text(element, "params"),
        url=_text(element, "url"),
        accept=_text(element, "accept"),
        content_type=_text(element, "contentType"),
        headers=tuple((_text(one, "field") or "", _text(one, "value") or "") for one in _all(element, "requestHeader")),
        source_id=_text(element, "sourceId"),
        target_id=_text(element, "targetId"),
        response_id=_text(element, "responseId"),
        request_id=_text(element, "requestId"),
        method=_text(element, "method"),
        encode=_text(element, "encodeRequestUrl") != "false",
        origin=_number(element, "origin"),
        destination=_number(element, "destination"),
        label=_text(element, "label") or "",
        description=_text(element, "description") or "",
        unknown=tuple(sorted(f"operation.{name}" for name in names - _OPERATION)),
    )


def _assertion(element: Any) -> Assertion:
    values: Mapping[str, str] = {_name(child): child.get("value") or "" for child in _children(element)}
    known = _ASSERT | set(CHECKS) | set(_COMPARE) | {"extension"}
    unknown = {f"assert.{name}" for name in values if name not in known}
    extensions = _all(element, "extension")
    unknown |= {f"extension {one.get('url')}" for one in extensions if one.get("url") != ASSERT_RULE}
    rules = [_rule_call(one) for one in extensions if one.get("url") == ASSERT_RULE]
    return Assertion(
        checks={name: values[name] for name in CHECKS if name in values},
        operator=values.get("operator"),
        value=values.get("value"),
        direction=values.get("direction", "response"),
        source_id=values.get("sourceId"),
        compare_to={short: values[name] for name, short in _COMPARE.items() if name in values},
        rule=rules[0] if rules else None,
        warning_only=values.get("warningOnly") == "true",
        stop_on_fail=values.get("stopTestOnFail") == "true",
        label=values.get("label", ""),
        description=values.get("description", ""),
        unknown=tuple(sorted(unknown)),
    )


def _rule_call(extension: Any) -> RuleCall:
    params: dict[str, str] = {}
    output: dict[str, str] = {}
    rule_id = ""
    for part in _all(extension, "extension"):
        values = {str(one.get("url")): _extension_value(one) or "" for one in _all(part, "extension")}
        if part.get("url") == "ruleId":
            rule_id = _extension_value(part) or ""
        elif part.get("url") == "param":
            params[values.get("name", "")] = values.get("value", "")
        elif part.get("url") == "output":
            output = values
    return RuleCall(rule_id, params, output.get("name"), output.get("contentType"))


def _extension_value(extension: Any) -> str | None:
    if extension is None:
        return None
    found = next((one for one in _children(extension) if _name(one).startswith("value")), None)
    return None if found is None else found.get("value")
