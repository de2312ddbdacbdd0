"""A citizen sends: from the login to the inbox, as a tester tries it from the terminal."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from databases import database
from servers import Running, serving

from gateway.cli.main import cli
from gateway.share.inbox import Inbox
from gateway.share.keep import Keys
from gateway.share.offers import Offers
from gateway.store.engine import open_engine, reading
from gateway.wiring import keys_of

PROVIDER, PRACTICE = "ziekenhuiszandoord", "huisartsenhetveer"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with database("sqlite", tmp_path_factory.mktemp("visit")) as url, serving(url) as running:
        yield running


def share(
    server: Running, example: str, person: str = "Joke van Veldhuizen", provider: str = PROVIDER
) -> tuple[int, str]:
    """Exit code and output of ``gateway pgo share``."""
    command = ["pgo", "share", "--gateway", server.base, "--provider", provider, "--example", example]
    done = CliRunner().invoke(cli, [*command, "--login", person])
    return done.exit_code, done.output


@pytest.mark.parametrize("example", ["weights", "document", "correction"])
def test_a_citizen_sends_and_it_arrives(server: Running, example: str) -> None:
    """SHR-01, SHR-03, DL-01: login, confirmation, a token for once, and a submission in the inbox."""
    code, output = share(server, example)
    assert code == 0, output
    assert "201 Created" in output
    engine = open_engine(server.settings.database_url)
    with reading(engine).connect() as connection:
        lines = Inbox(connection).lines(PROVIDER)
    engine.dispose()
    assert lines
    assert all(line.open for line in lines)


def test_who_is_not_known_sends_nothing(server: Running) -> None:
    """DL-C11, AVL-07: the page that says so ends the visit; the terminal tells it, and nothing arrives."""
    engine = open_engine(server.settings.database_url)
    with reading(engine).connect() as connection:
        before = len(Inbox(connection).lines(PROVIDER, open_only=False))
        code, output = share(server, "weights", "Karel Boonstra")
        after = len(Inbox(connection).lines(PROVIDER, open_only=False))
    engine.dispose()
    assert (code != 0, "201 Created" in output) == (True, False), output
    assert "stopped at the page 'Dit kan nu niet'" in output
    assert before == after


def test_a_citizen_fills_in_the_questionnaires_that_are_ready(server: Running) -> None:
    """DL-C15, DL-C16, DL-57: found, read, taken on and answered; one after the other, until none is left."""
    for _ in range(2):
        code, output = share(server, "questionnaire", "Hanna Terpstra", PRACTICE)
        assert code == 0, output
        assert "QuestionnaireResponse" in output
    code, output = share(server, "questionnaire", "Hanna Terpstra", PRACTICE)
    assert (code != 0, "QuestionnaireResponse" in output) == (True, False)
    engine = open_engine(server.settings.database_url)
    with reading(engine).connect() as connection:
        assert len(Inbox(connection).lines(PRACTICE)) == 2
        statuses = [one.status for one in Offers(connection, Keys(*keys_of(server.settings)), PRACTICE).of("hanna")]
    engine.dispose()
    assert sorted(statuses) == ["completed", "completed", "rejected"]
