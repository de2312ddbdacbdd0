"""gateway healthcheck: for containers."""

import http.client

import click

from gateway.cli.context import FINDINGS, fail, with_settings
from gateway.settings import Settings


@click.command()
@with_settings
def healthcheck(settings: Settings) -> None:
    """Exit 0 when the gateway on this machine is ready, 1 when it is not."""
    host = "127.0.0.1" if settings.listen.host in ("0.0.0.0", "::") else settings.listen.host  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.listen.port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        status = connection.getresponse().status
    except OSError as fault:
        fail(f"not reachable: {fault.strerror or type(fault).__name__}", FINDINGS)
    finally:
        connection.close()
    if status != http.client.OK:
        fail(f"not ready: status {status}", FINDINGS)
