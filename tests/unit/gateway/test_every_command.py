"""What holds for every command, found by walking the tree: `--json`, a wrong provider, a store that is not there."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from gateway.cli.context import as_json
from gateway.cli.main import cli

WITHOUT_JSON = {
    "audit key": "shows a key that it makes, once",
    "audit sign": "a deed: the exit code tells",
    "adapters draft": "writes a mapping file, in its own form",
    "audit export": "writes FHIR or CSV",
    "backup": "writes an archive",
    "db upgrade": "a deed: the exit code tells",
    "demo serve": "runs",
    "demo visit": "a visit for people to watch",
    "exchange begin": "a deed: the exit code tells",
    "exchange cancel": "a deed: the exit code tells",
    "exchange serve": "runs",
    "exchange set": "a deed: the exit code tells",
    "exchange update": "a deed: the exit code tells",
    "healthcheck": "the exit code tells",
    "intake dismiss": "a deed: the exit code tells",
    "intake watch": "runs",
    "intake export": "writes the content as it is",
    "login metadata": "writes XML, as SAML has it",
    "openapi": "writes files",
    "packages add": "a deed: the exit code tells",
    "person export": "always JSON: all that is held, as one document",
    "pgo revoke": "a deed: the exit code tells",
    "pgo share": "a deed: the exit code tells",
    "qualify load": "a deed: the exit code tells",
    "qualify run": "writes its report as JSON, HTML and JUnit XML with --report",
    "questionnaire offer": "a deed: the exit code tells",
    "questionnaire withdraw": "a deed: the exit code tells",
    "report month show": "writes the report in a form of its own, JSON among them",
    "restore": "a deed: the exit code tells",
    "share accept": "a deed: the exit code tells",
    "share decline": "a deed: the exit code tells",
    "share filed": "a deed: the exit code tells",
    "share retry": "a deed: the exit code tells",
    "serve": "runs",
    "store outbox": "always JSON: a line for each change, for whoever follows",
    "summary": "always JSON: the document",
    "tokens load": "a deed: the exit code tells",
}
"""Commands that have no `--json`, and why. All others do."""

ELSEWHERE = {"pgo visit": "a provider of another DVA", "pgo share": "a provider of another DVA"}
"""Commands with an option --provider that is none of ours."""

MAKES_A_STORE = {"db upgrade", "exchange serve", "serve", "demo serve", "demo visit", "restore"}

ARGUMENTS = {
    "audit show": ("2.0", "1"),
    "backup": ("{folder}/out.backup", "--passphrase-file", "{folder}/phrase"),
    "convert": ("{folder}", "--to", "r4"),
    "explain": ("/ziekenhuiszandoord/48/fhir/Condition", "--patient", "p1"),
    "exchange begin": ("some-id",),
    "exchange cancel": ("some-id",),
    "exchange pull": ("some-id", "--user", "900012345", "--role", "01.015"),
    "exchange show": ("some-id",),
    "exchange update": ("some-id",),
    "exchange list": ("--provider", "ziekenhuiszandoord"),
    "exchange set": ("some-id", "accepted", "--user", "900012345", "--role", "01.015"),
    "exchange send": ("--provider", "ziekenhuiszandoord", "--to", "ggz", "--bsn", "999990019"),
    "import": ("{folder}", "--provider", "ziekenhuiszandoord"),
    "intake dismiss": ("1",),
    "intake export": ("1",),
    "intake retry": ("--all",),
    "intake show": ("1",),
    "questionnaire list": ("--provider", "ziekenhuiszandoord"),
    "questionnaire offer": ("p1", "q1", "--by", "de poli", "--provider", "ziekenhuiszandoord"),
    "questionnaire withdraw": ("t1", "--provider", "ziekenhuiszandoord"),
    "share accept": ("s1",),
    "share decline": ("s1", "--reason", "dubbel"),
    "share filed": ("i1", "--as", "42"),
    "share list": ("--provider", "ziekenhuiszandoord"),
    "share retry": ("i1",),
    "share show": ("s1",),
    "person approve": ("1", "--provider", "ziekenhuiszandoord", "--yes"),
    "person cases": ("--provider", "ziekenhuiszandoord"),
    "person erase": ("--provider", "ziekenhuiszandoord", "--basis", "request-wgbo", "--reason", "brief 12"),
    "person export": ("--provider", "ziekenhuiszandoord"),
    "person hold": ("--provider", "ziekenhuiszandoord", "--basis", "claim", "--reason", "brief 12"),
    "person refuse": ("1", "--provider", "ziekenhuiszandoord"),
    "person release": ("1", "--provider", "ziekenhuiszandoord"),
    "person show": ("--provider", "ziekenhuiszandoord"),
    "release early": ("Condition/c1", "--provider", "ziekenhuiszandoord", "--reason", "besproken"),
    "release end": ("1", "--provider", "ziekenhuiszandoord"),
    "release list": ("--provider", "ziekenhuiszandoord"),
    "release withhold": ("Condition/c1", "--provider", "ziekenhuiszandoord", "--reason", "besproken"),
    "qualify load": ("{folder}", "--service", "48", "--provider", "ziekenhuiszandoord"),
    "report close": ("2025", "--yes"),
    "report month deliver": ("2026-03", "--provider", "ziekenhuiszandoord", "--to", "{folder}/report"),
    "report month check": ("2026-03", "--provider", "ziekenhuiszandoord"),
    "report privacy": ("--output", "{folder}/privacy", "--provider", "ziekenhuiszandoord"),
    "report results": ("--provider", "ziekenhuiszandoord"),
    "report month make": ("2026-03", "--provider", "ziekenhuiszandoord"),
    "report month release": ("2026-03", "--provider", "ziekenhuiszandoord"),
    "report month show": ("2026-03", "--provider", "ziekenhuiszandoord"),
    "report pack": (
        "--provider",
        "ziekenhuiszandoord",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-31",
        "--seed",
        "1",
        "--output",
        "{folder}/pack.zip",
    ),
    "report vipp": ("--provider", "ziekenhuiszandoord", "--list", "{folder}/tokens.json"),
    "store export": ("--provider", "ziekenhuiszandoord", "--out", "{folder}/out"),
    "store history": ("Flag/1", "--provider", "ziekenhuiszandoord"),
    "summary": ("{folder}", "--institution", "x"),
    "tokens load": ("{folder}/tokens.json",),
}
"""What a command must be given to get as far as the store."""

NO_STORE = {
    "adapters coverage", "adapters draft", "audit key", "pgo share", "standards diff",
    "adapters explain", "adapters list", "adapters names", "adapters packs",
    "adapters preview", "adapters probe", "convert", "doctor", "healthcheck", "lists check", "lists refresh",
    "lists show",
    "login metadata", "openapi", "packages add", "packages list", "pgo refresh", "pgo revoke", "pgo visit",
    "qualify run", "release rows", "report privacy",
    "standards check", "standards list", "summary", "terminology add snomed", "terminology add table",
    "terminology list", "validate",
}  # fmt: skip
"""Commands that need no store (a preview records in one, in production; doctor says that there is none)."""


def leaves(command: click.Command = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in command.list_commands(click.Context(command)):
        found = command.get_command(click.Context(command), name)
        assert found is not None
        yield from leaves(found, f"{path} {name}".strip())


LEAVES = dict(leaves())


def option(command: click.Command, name: str) -> click.Option | None:
    return next((one for one in command.params if isinstance(one, click.Option) and name in one.opts), None)


def run(folder: Path, *words: str, **more: str) -> Result:
    environment = {"GATEWAY_DATABASE_URL": f"sqlite:///{folder}/gateway.db", "GATEWAY_MODE": "test", **more}
    return CliRunner().invoke(cli, list(words), env=environment)


def test_every_command_that_answers_has_the_same_option_for_machines() -> None:
    @click.command()
    @as_json
    def model(as_json: bool) -> None: ...

    wanted = option(model, "--json")
    assert wanted is not None
    for path, command in LEAVES.items():
        found = option(command, "--json")
        assert (found is None) == (path in WITHOUT_JSON), path
        if found is not None:
            assert (found.name, found.is_flag, found.help) == (wanted.name, True, wanted.help), path
    assert set(WITHOUT_JSON) <= set(LEAVES)


ANSWERS = (
    "doctor", "audit verify", "adapters list", "adapters probe", "adapters names", "adapters packs", "intake list",
    "intake retry --all", "keys reseal", "lists show", "lists show clients", "packages list", "report quality",
    "report usage", "report evidence", "standards list", "standards check", "retention run --dry-run", "standards diff",
)  # fmt: skip


def test_an_answer_for_machines_is_one_document_with_nothing_beside_it(tmp_path: Path) -> None:
    assert run(tmp_path, "db", "upgrade").exit_code == 0
    for words in ANSWERS:
        done = run(tmp_path, *words.split(), "--json")
        assert done.exit_code in (0, 1), (words, done.output)
        assert json.loads(done.stdout) is not None, words
    resource = tmp_path / "p.json"
    resource.write_text('{"resourceType": "Patient", "id": "p1"}')
    assert json.loads(run(tmp_path, "validate", str(resource), "--json").stdout)[0]["id"] == str(resource)
    assert run(tmp_path, "validate", "--ndjson", "--json").exit_code == 2


@pytest.mark.parametrize("path", [path for path, one in LEAVES.items() if option(one, "--provider")])
def test_a_typing_error_in_a_provider_is_an_error(path: str, tmp_path: Path) -> None:
    if path in ELSEWHERE:
        return
    assert run(tmp_path, "db", "upgrade").exit_code == 0
    given = ARGUMENTS.get(path, {"adapters preview": ("p1",)}.get(path, ()))
    words = [one.format(folder=tmp_path) for one in given if one not in ("--provider", "ziekenhuiszandoord")]
    done = run(tmp_path, *path.split(), *words, "--provider", "ziekenhuiszandord")
    assert done.exit_code == 2, done.output
    assert "ziekenhuiszandord" in done.output
    assert "unknown provider" in done.output


@pytest.mark.parametrize("path", sorted(set(LEAVES) - MAKES_A_STORE - NO_STORE))
def test_a_store_that_is_not_there_is_told_and_not_made(path: str, tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text("[]")
    (tmp_path / "phrase").write_text("een zin die niemand raadt")
    words = [one.format(folder=tmp_path) for one in ARGUMENTS.get(path, ())]
    absent = f"sqlite:///{tmp_path}/not/here.db"
    done = run(tmp_path, *path.split(), *words, GATEWAY_DATABASE_URL=absent)
    assert done.exit_code == 2, done.output
    assert "there is no store at" in done.output
    assert not (tmp_path / "not").exists()


def test_a_command_that_needs_no_store_makes_none(tmp_path: Path) -> None:
    for words in ("adapters list", "adapters probe", "lists show", "packages list", "standards check", "doctor"):
        run(tmp_path, *words.split())
    assert not (tmp_path / "gateway.db").exists()
    assert set(LEAVES) >= NO_STORE
