"""Which login the settings ask for."""

from auth.login.oidc import OidcLogin
from auth.login.port import Login
from auth.settings import AuthSettings


class BridgeUnusable(Exception):
    """The settings of the login bridge cannot be used; the text says why."""


def login_of(settings: AuthSettings) -> Login:
    """The login by these settings: SAML when its section names a bridge, else OpenID Connect. Raises BridgeUnusable."""
    if not settings.saml.on:
        return OidcLogin(settings.login)
    try:
        from auth.login.saml.client import SamlLogin  # an extra: only who uses it needs its library
    except ImportError as error:
        raise BridgeUnusable(
            f"auth.saml needs the extra `saml`: pip install 'medmij-gateway[saml]' ({error})"
        ) from error
    try:
        return SamlLogin(settings.saml)
    except (OSError, ValueError) as error:
        raise BridgeUnusable(f"auth.saml: {error}") from error
