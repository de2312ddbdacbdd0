"""From settings to a working puller: the one place where lists, source, copies and TLS meet."""

import ssl
from collections.abc import Callable

from auth.clients.copies import Copies
from auth.clients.lists import CurrentLists
from auth.clients.notices import Notify
from auth.clients.pull import Puller
from auth.clients.settings import ListSettings
from auth.clients.sources import FilesSource, ListSource, NodeSource
from auth.peer.tls import TlsSettings, client_context, peer_check


class NoSource(Exception):
    """The settings name no source of lists; the text is for an operator."""


def open_source(settings: ListSettings, tls: TlsSettings) -> ListSource:
    """The source that the settings name. Raises NoSource when they name none."""
    if settings.source == "node":
        return _node(settings, tls)
    if settings.folder is None or settings.source != "files":
        raise NoSource("lists.source is not set: name the node of the registration, or a folder")
    return FilesSource(settings.folder)


def open_lists(
    settings: ListSettings,
    tls: TlsSettings,
    *,
    notify: Notify,
    after: Callable[[CurrentLists], None] = lambda lists: None,
) -> tuple[CurrentLists, Puller]:
    """The lists and the puller that fills them; copies from disk are already in use. Raises NoSource."""
    source = open_source(settings, tls)
    copies = Copies(settings.copies, source.name, notify) if settings.source == "node" else None
    lists = CurrentLists(notify)
    puller = Puller(lists, source, copies, interval_seconds=settings.interval_seconds, notify=notify, after=after)
    puller.restore()
    return lists, puller


def _node(settings: ListSettings, tls: TlsSettings) -> NodeSource:
    def context() -> ssl.SSLContext:
        return client_context(tls.back_certificate, tls.back_key, tls.trust)

    if tls.trust is None:
        raise NoSource("lists.source is the node: tls.trust must name what its certificate chains to (TLS-05)")
    try:
        check = peer_check(tls)
    except (OSError, ValueError) as error:
        raise NoSource(f"tls.trust cannot be used: {error}") from None
    return NodeSource(
        settings.url,
        settings.api,
        context,
        check_server=check.server,
        timeout_seconds=settings.timeout_seconds,
    )
