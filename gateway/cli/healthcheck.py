"""gateway healthcheck: for containers."""

import http.client
import ssl

import click

from gateway.cli.context import FINDINGS, fail, with_settings
from gateway.settings import Settings


@click.command()
@with_settings
def healthcheck(settings: Settings) -> None:
    """Exit 0 when the gateway on this machine is ready, 1 when it is not."""
    connection = _connection(settings)
    try:
        connection.request("GET", "/health/ready")
        status = connection.getresponse().status
    except OSError as fault:
        fail(f"not reachable: {fault.strerror or type(fault).__name__}", FINDINGS)
    finally:
        connection.close()
    if status != http.client.OK:
        fail(f"not ready: status {status}", FINDINGS)


def _connection(settings: Settings) -> http.client.HTTPConnection:
    host = "127.0.0.1" if settings.listen.host in ("0.0.0.0", "::") else settings.listen.host  # noqa: S104
    if settings.tls.peer != "direct":
        return http.client.HTTPConnection(host, settings.listen.port, timeout=2)
    # Our own process on this machine, whose certificate is for another name: nothing is sent but the question.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, settings.listen.port, timeout=2, context=context)
