"""What the authorization server says of itself: exactly what its settings make it do (RFC 8414, SMART App Launch)."""

import pytest

from auth.metadata import metadata, smart_configuration
from auth.settings import AuthSettings

FRONT, BACK = "https://inloggen.zorg.example", "https://api.zorg.example"


def test_the_issuer_is_the_front_channel_and_tokens_come_over_the_back_channel() -> None:
    said = metadata(AuthSettings(base_url=FRONT), BACK)
    assert said["issuer"] == FRONT
    assert said["authorization_endpoint"] == f"{FRONT}/oauth/authorize"
    assert said["token_endpoint"] == f"{BACK}/oauth/token"
    assert said["revocation_endpoint"] == f"{BACK}/oauth/revoke"


@pytest.mark.parametrize(("setting", "told"), [("mtls", ["tls_client_auth"]), ("asserted", ["none"])])
def test_how_a_client_shows_who_it_is_follows_the_settings(setting: str, told: list[str]) -> None:
    said = metadata(AuthSettings.model_validate({"client_authentication": setting}), BACK)
    assert said["token_endpoint_auth_methods_supported"] == told
    assert said["revocation_endpoint_auth_methods_supported"] == told


def test_a_code_challenge_is_offered_only_where_it_is_honoured() -> None:
    assert metadata(AuthSettings(), BACK)["code_challenge_methods_supported"] == ["S256"]
    ignoring = AuthSettings(pkce="ignore")
    assert "code_challenge_methods_supported" not in metadata(ignoring, BACK)
    assert smart_configuration(ignoring, BACK)["code_challenge_methods_supported"] == []


def test_iss_in_answers_is_announced_only_where_it_is_sent() -> None:
    assert metadata(AuthSettings(), BACK)["authorization_response_iss_parameter_supported"] is False
    assert metadata(AuthSettings(issuer_parameter=True), BACK)["authorization_response_iss_parameter_supported"] is True


def test_no_smart_capability_is_claimed_that_medmij_does_not_have() -> None:
    """SMART requires these five; scopes and person are those of MedMij, so that the list of capabilities is empty."""
    said = smart_configuration(AuthSettings(), BACK)
    needed = {"authorization_endpoint", "token_endpoint", "grant_types_supported", "code_challenge_methods_supported"}
    assert needed <= said.keys()
    assert said["capabilities"] == []
    assert "issuer" not in said  # only for SMART's sso-openid-connect, which is not offered
