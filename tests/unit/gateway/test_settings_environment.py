"""One variable of a section changes that setting, and nothing of what the rest follows from."""

import pytest

from gateway.settings import authorization, load


def test_a_variable_of_the_authorization_server_leaves_what_follows_from_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The address, the login and the local redirects follow the listener, with or without a variable beside them."""
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
    monkeypatch.setenv("GATEWAY_LISTEN__PORT", "9000")
    plain = authorization(load())
    monkeypatch.setenv("GATEWAY_AUTH__DVA_NAME", "Zandoord Koppelingen")
    named = authorization(load())
    assert named.dva_name == "Zandoord Koppelingen"
    assert named == plain.model_copy(update={"dva_name": named.dva_name})
    assert named.base_url == "http://127.0.0.1:9000"
    assert named.client_authentication == "asserted"
