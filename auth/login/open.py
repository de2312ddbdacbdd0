"""Which login, and which single logout, the settings ask for."""

from auth.login.leaving import SingleLogout
from auth.login.oidc import OidcLogin
from auth.login.oidc_logout import OidcLogout
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


def logout_of(settings: AuthSettings, login: Login) -> SingleLogout | None:
    """The single logout that belongs to a login of `login_of`; None when the settings want none."""
    if isinstance(login, OidcLogin):
        return OidcLogout(login, settings.base_url) if settings.login.single_logout != "off" else None
    if not settings.saml.single_logout:
        return None
    from auth.login.saml.client import SamlLogin
    from auth.login.saml.logout import SamlLogout

    return SamlLogout(login, settings.base_url) if isinstance(login, SamlLogin) else None
