"""Reports of a run: HTML for people, JSON for programs, JUnit XML for build servers."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment
from lxml import etree

from workbench.qualify.results import ActionResult, ScriptResult, SetResult, Status, worst

_FORBIDDEN = {code: None for code in range(32) if code not in (9, 10, 13)}


def write_reports(folder: Path, results: Sequence[SetResult], facts: Sequence[tuple[str, str]]) -> list[Path]:
    """Write one HTML page per set, an index when there is more than one, ``results.json`` and ``junit.xml``.

    ``facts`` are lines about the run (what was tested, when). Returns the paths, the page to open first. OSError when
    the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    if len(results) > 1:
        written.append(_write(folder / "index.html", html_index(results, facts)))
    for result in results:
        written.append(_write(folder / f"{result.name}.html", html_page(result, facts)))
    written.append(_write(folder / "results.json", json_report(results, facts)))
    written.append(_write(folder / "junit.xml", junit(results)))
    return written


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _template(name: str) -> Any:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals["style"] = _source("report.css")
    environment.globals["statuses"] = list(Status)
    return environment.from_string(_source(name))


def _source(name: str) -> str:
    return files("workbench.qualify").joinpath("templates", name).read_text("utf-8")


def html_page(result: SetResult, facts: Sequence[tuple[str, str]] = ()) -> str:
    """One set as a self-contained page: summary, what needs attention, and every script with its evidence."""
    attention = [script for script in result.scripts if script.problems]
    return str(_template("set.html").render(result=result, facts=[*facts, *result.facts], attention=attention))


def html_index(results: Sequence[SetResult], facts: Sequence[tuple[str, str]] = ()) -> str:
    """The list of the sets of a run."""
    return str(_template("index.html").render(results=results, facts=facts))


def json_report(results: Sequence[SetResult], facts: Sequence[tuple[str, str]] = ()) -> str:
    """The whole run as JSON: everything that the pages show."""
    status = worst(result.status for result in results)
    report = {"status": status, "run": dict(facts), "sets": [_set(result) for result in results]}
    return json.dumps(report, ensure_ascii=False, indent=1)


def _set(result: SetResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "title": result.title,
        "status": result.status,
        "counts": {status.value: result.count(status) for status in Status},
        "leftOut": list(result.left_out),
        "facts": dict(result.facts),
        "scripts": [_script(script) for script in result.scripts],
    }


def _script(script: ScriptResult) -> dict[str, Any]:
    return {
        "id": script.id,
        "title": script.title,
        "role": script.role,
        "path": script.path,
        "status": script.status,
        "seconds": round(script.seconds, 3),
        "tests": [
            {"name": one.name, "status": one.status, "actions": [*map(_action, one.actions)]} for one in script.tests
        ],
    }


def _action(action: ActionResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(action).items() if value not in ("", None)}


def junit(results: Sequence[SetResult]) -> str:
    """JUnit XML: a suite per role of a set, a case per script. What was not evaluated is an error, not a pass."""
    root = etree.Element("testsuites", name="qualification")
    for result in results:
        for role in dict.fromkeys(script.role for script in result.scripts):
            _suite(root, result, role, [script for script in result.scripts if script.role == role])
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def _suite(root: Any, result: SetResult, role: str, scripts: Sequence[ScriptResult]) -> None:
    counts = {
        "tests": len(scripts),
        "failures": sum(script.status is Status.FAILED for script in scripts),
        "errors": sum(script.status is Status.NOT_EVALUATED for script in scripts),
        "skipped": sum(script.status is Status.SKIPPED for script in scripts),
    }
    numbers = {name: str(count) for name, count in counts.items()}
    seconds = f"{sum(script.seconds for script in scripts):.3f}"
    suite = etree.SubElement(root, "testsuite", {"name": f"{result.title} {role}".strip(), **numbers, "time": seconds})
    for script in scripts:
        attributes = {"name": script.id, "classname": f"{result.name}.{role}", "time": f"{script.seconds:.3f}"}
        _outcome(etree.SubElement(suite, "testcase", attributes), script)


def _outcome(case: Any, script: ScriptResult) -> None:
    lines = [f"{test.name}: {one.description}: {one.check}: {one.reason}" for test, one in script.problems]
    text = "\n".join(lines).translate(_FORBIDDEN)
    kinds = {Status.FAILED: "failure", Status.NOT_EVALUATED: "error", Status.SKIPPED: "skipped"}
    if script.status in kinds:
        first = lines[0].translate(_FORBIDDEN)[:300] if lines else script.status.value
        etree.SubElement(case, kinds[script.status], {"message": first}).text = text
    elif text:
        etree.SubElement(case, "system-out").text = text
