"""gateway login: what a login bridge needs to know of us, and whether its own metadata can be used."""

import click

from auth.login.open import BridgeUnusable, login_of
from gateway.cli.context import fail, with_settings
from gateway.settings import Settings, authorization


@click.group()
def login() -> None:
    """The login bridge."""


@login.command()
@with_settings
def metadata(settings: Settings) -> None:
    """Write our SAML metadata, to give to the login bridge. Needs the section auth.saml."""
    section = authorization(settings)
    if not section.saml.on:
        fail("auth.saml.bridge is not set: the login is OpenID Connect")
    try:
        login_of(section)
        from auth.login.saml.client import signing_of
        from auth.login.saml.metadata import our_metadata

        certificate = signing_of(section.saml).certificate
    except (BridgeUnusable, OSError, ValueError) as fault:
        fail(str(fault))
    click.echo(our_metadata(section.saml, certificate, section.base_url).decode())
