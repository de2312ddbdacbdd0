"""Fetching: from a folder, with copies on disk, on a schedule, whatever goes wrong."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from unit.auth_lists import listdocs as docs

from auth.clients.copies import Copies
from auth.clients.lists import CurrentLists
from auth.clients.model import ListKind
from auth.clients.notices import Notice, NoticeType
from auth.clients.open import NoSource, open_lists
from auth.clients.pull import Puller
from auth.clients.selfcheck import Ourselves, OwnService, registration_faults
from auth.clients.settings import ListSettings
from auth.clients.sources import FetchError, FilesSource
from auth.peer.tls import TlsSettings

WHL, OCL, ZAL, GNL = ListKind.WHITELIST, ListKind.CLIENTS, ListKind.PROVIDERS, ListKind.NAMES
DOCUMENTS = {WHL: docs.whitelist(), OCL: docs.clients(), ZAL: docs.providers(), GNL: docs.names()}


class FakeNode:
    """A source that gives what it holds; None is a fault."""

    name = "https://stelselnode.medmij.example/?api=2"

    def __init__(self, documents: Mapping[ListKind, bytes | None] = DOCUMENTS) -> None:
        self.documents = dict(documents)
        self.fetched = 0

    async def fetch(self, kind: ListKind) -> bytes:
        self.fetched += 1
        data = self.documents[kind]
        if data is None:
            raise FetchError("status 503")
        return data


class Desk:
    """A puller with everything around it."""

    def __init__(self, folder: Path, node: FakeNode | None = None) -> None:
        self.heard: list[Notice] = []
        self.node = node or FakeNode()
        self.now = datetime.now(UTC)
        self.lists = CurrentLists(self.heard.append, lambda: self.now)
        self.copies = Copies(folder, self.node.name, self.heard.append)
        self.puller = Puller(self.lists, self.node, self.copies, notify=self.heard.append)

    def refresh(self) -> list[tuple[NoticeType, ListKind]]:
        self.heard.clear()
        asyncio.run(self.puller.refresh())
        return [(notice.type, notice.kind) for notice in self.heard if notice.alarm]


def test_a_refresh_brings_all_lists_into_use_and_onto_disk(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.refresh() == []
    assert desk.lists.whitelist.holds(docs.PGO)
    assert (tmp_path / "MedMij_Whitelist.xml").read_bytes() == DOCUMENTS[WHL]


def test_a_restart_without_the_node_works_on_the_last_copies(tmp_path: Path) -> None:
    """LIST-02, CT-100: twenty minutes with an alarm, nine hours and the door is closed."""
    Desk(tmp_path).refresh()
    desk = Desk(tmp_path, FakeNode(dict.fromkeys(ListKind)))
    desk.puller.restore()
    assert desk.lists.clients.find(docs.PGO) is not None
    assert desk.lists.state.usable()
    desk.now += timedelta(minutes=20)
    assert {type_ for type_, _ in desk.refresh()} == {NoticeType.FETCH_FAILED, NoticeType.OLD}
    assert desk.lists.state.usable()
    desk.now += timedelta(hours=9)
    assert {type_ for type_, _ in desk.refresh()} == {NoticeType.FETCH_FAILED, NoticeType.UNUSABLE}
    assert not desk.lists.state.usable()
    assert desk.lists.clients.find(docs.PGO) is not None, "running tokens go on (SLA-05)"


WRONG = {
    "invalid client list": (OCL, docs.clients([docs.client(), docs.client()], number="8"), NoticeType.INVALID),
    "empty whitelist": (WHL, docs.whitelist([], number="8"), NoticeType.INVALID),
    "document type": (WHL, docs.whitelist(number="8", before="<!DOCTYPE Whitelist>"), NoticeType.INVALID),
    "lower number": (WHL, docs.whitelist([docs.MAP], number="6"), NoticeType.ROLLED_BACK),
    "an error page": (WHL, b"<html><body>Sorry</body></html>", NoticeType.INVALID),
    "another list": (WHL, docs.clients(number="8"), NoticeType.INVALID),
    "no answer": (WHL, None, NoticeType.FETCH_FAILED),
}


@pytest.mark.parametrize(("kind", "data", "alarm"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_list_leaves_the_old_one_and_raises_an_alarm(
    tmp_path: Path, kind: ListKind, data: bytes | None, alarm: NoticeType
) -> None:
    """LIST-05, LIST-06, LIST-12, CT-99: in memory and on disk."""
    desk = Desk(tmp_path)
    desk.refresh()
    before = desk.lists.view()[kind].content
    desk.node.documents[kind] = data
    assert desk.refresh() == [(alarm, kind)]
    assert desk.lists.view()[kind].content is before
    assert (tmp_path / kind.file_name).read_bytes() == DOCUMENTS[kind]


def test_an_old_document_that_comes_back_is_judged_again(tmp_path: Path) -> None:
    """LIST-06: that its bytes were read before does not make it current."""
    desk = Desk(tmp_path)
    desk.refresh()
    desk.node.documents[WHL] = docs.whitelist([docs.MAP], number="8")
    assert desk.refresh() == []
    desk.node.documents[WHL] = DOCUMENTS[WHL]
    assert desk.refresh() == [(NoticeType.ROLLED_BACK, WHL)]
    assert not desk.lists.whitelist.holds(docs.PGO)


def test_a_rollback_is_noticed_across_a_restart(tmp_path: Path) -> None:
    """LIST-06 with LIST-02."""
    Desk(tmp_path).refresh()
    desk = Desk(tmp_path, FakeNode({**DOCUMENTS, WHL: docs.whitelist([docs.MAP], number="6")}))
    desk.puller.restore()
    assert desk.refresh() == [(NoticeType.ROLLED_BACK, WHL)]
    assert desk.lists.whitelist.holds(docs.PGO)


def _break_document(folder: Path) -> None:
    (folder / "MedMij_Whitelist.xml").write_bytes(docs.whitelist(["evil.example"]))


def _break_note(folder: Path) -> None:
    (folder / "MedMij_Whitelist.json").write_text("{")


def _strip_note(folder: Path) -> None:
    (folder / "MedMij_Whitelist.json").write_text(json.dumps({"source": FakeNode.name}))


def _remove_document(folder: Path) -> None:
    (folder / "MedMij_Whitelist.xml").unlink()


@pytest.mark.parametrize("damage", [_break_document, _break_note, _strip_note, _remove_document])
def test_a_damaged_copy_is_not_used_and_told(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    Desk(tmp_path).refresh()
    damage(tmp_path)
    desk = Desk(tmp_path)
    desk.puller.restore()
    assert [(notice.type, notice.kind) for notice in desk.heard] == [(NoticeType.COPY_LOST, WHL)]
    assert not desk.lists.whitelist
    assert desk.lists.clients
    assert desk.refresh() == []
    assert desk.lists.whitelist.holds(docs.PGO)


def test_copies_of_another_source_are_not_used(tmp_path: Path) -> None:
    """A gateway that moves from acceptance to production begins anew."""
    Desk(tmp_path).refresh()
    assert Copies(tmp_path, "https://other.example/?api=2").load() == ()


def test_a_slow_process_does_not_put_an_older_copy_in_place(tmp_path: Path) -> None:
    """Several workers keep copies in one folder."""
    late = Desk(tmp_path)
    Desk(tmp_path, FakeNode({**DOCUMENTS, WHL: docs.whitelist([docs.MAP], number="8")})).refresh()
    late.refresh()
    assert (tmp_path / "MedMij_Whitelist.xml").read_bytes() == docs.whitelist([docs.MAP], number="8")


def test_a_full_disk_is_an_alarm_but_the_list_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    desk = Desk(tmp_path / "file" / "below")
    assert {type_ for type_, _ in desk.refresh()} == {NoticeType.COPY_LOST}
    assert desk.lists.whitelist.holds(docs.PGO)


async def _run_for(puller: Puller, until: Callable[[], bool]) -> None:
    task = asyncio.create_task(puller.run())
    async with asyncio.timeout(5):
        while not until():  # noqa: ASYNC110 - the puller tells nobody
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_the_schedule_goes_on_after_faults(caplog: pytest.LogCaptureFixture) -> None:
    """LIST-03: neither a node that is down nor a fault of ours ends the fetching."""

    class Moody(FakeNode):
        async def fetch(self, kind: ListKind) -> bytes:
            self.fetched += 1
            if self.fetched <= 4:
                raise FetchError("status 503")
            if self.fetched <= 8:
                raise RuntimeError("unforeseen")
            return self.documents[kind] or b""

    node, lists = Moody(), CurrentLists()
    puller = Puller(lists, node, interval_seconds=0.01)
    asyncio.run(_run_for(puller, lambda: lists.whitelist.holds(docs.PGO)))
    assert lists.state.usable()
    assert "unforeseen way" in caplog.text


def test_the_schedule_keeps_the_bounds_of_the_framework() -> None:
    """LIST-03: every 300 s, never above 900 s."""
    assert ListSettings().interval_seconds == 300
    assert ListSettings(interval_seconds=900).interval_seconds == 900
    with pytest.raises(ValidationError):
        ListSettings(interval_seconds=901)
    with pytest.raises(ValidationError):
        ListSettings(source="node", url="http://stelselnode.medmij.example/")
    with pytest.raises(ValidationError):
        ListSettings(source="files")


def test_files_are_found_under_our_names_and_the_frameworks(tmp_path: Path) -> None:
    (tmp_path / "whitelist.xml").write_bytes(DOCUMENTS[WHL])
    (tmp_path / "MedMij_OAuthclientlist.xml").write_bytes(DOCUMENTS[OCL])
    source = FilesSource(tmp_path)
    assert asyncio.run(source.fetch(WHL)) == DOCUMENTS[WHL]
    assert asyncio.run(source.fetch(OCL)) == DOCUMENTS[OCL]
    with pytest.raises(FetchError):
        asyncio.run(source.fetch(ZAL))


def test_without_a_source_nothing_starts() -> None:
    with pytest.raises(NoSource):
        open_lists(ListSettings(), TlsSettings(), notify=print)
    with pytest.raises(NoSource, match="trust"):
        open_lists(ListSettings(source="node"), TlsSettings(), notify=print)


# --- IFV-04 --------------------------------------------------------------------------------------------------------

OWN = OwnService(
    "https://medmij.zandoord.example/oauth/authorize",
    "https://medmij-bc.zandoord.example/oauth/token",
    {"MM-3.0-BZB-FHIR": "https://medmij-bc.zandoord.example/zandoord/48/fhir"},
)
HOSTS = ("medmij.zandoord.example", "medmij-bc.zandoord.example")
NAME = "ziekenhuiszandoord@medmij"


def _faults(
    services: Mapping[str, OwnService],
    entries: list[str],
    hosts: tuple[str, ...] = HOSTS,
    names: bytes = DOCUMENTS[GNL],
) -> tuple[str, ...]:
    lists = CurrentLists()
    node = FakeNode({WHL: docs.whitelist(hosts), OCL: docs.clients(), ZAL: docs.providers(entries), GNL: names})
    asyncio.run(Puller(lists, node).refresh())
    ours = Ourselves(frozenset(HOSTS), "2", {NAME: services})
    return registration_faults(ours, lists.providers, lists.whitelist, lists.names)


def test_a_registration_that_is_ours_has_no_faults() -> None:
    """VER-01, IFV-04: entries of others, and services of our provider at another gateway, are none of our business."""
    elsewhere = docs.service(
        "61",
        front="https://dva.hoekseheuvel.example/a",
        token="https://dva.hoekseheuvel.example/t",
        roles=[("X", "https://dva.hoekseheuvel.example/x")],
    )
    assert (
        _faults({"48": OWN}, [docs.provider(NAME, docs.service(), elsewhere), docs.provider("b@medmij", elsewhere)])
        == ()
    )


def test_every_difference_of_the_registration_is_told() -> None:
    """IFV-04."""
    wrong = docs.service(token="https://medmij-bc.zandoord.example/token", roles=[("R", "https://a.example/fhir")])
    entries = [
        docs.provider(NAME, wrong, docs.service("65")),
        docs.provider("vreemd@medmij"),
        docs.provider("oud@medmij", interface="1.4.0"),
    ]
    assert _faults({"48": OWN, "51": OWN}, entries, hosts=HOSTS[:1]) == (
        "host medmij-bc.zandoord.example is not on the whitelist",
        "oud@medmij, interface 1.4.0, service 48: points to us, but we do not speak that version",
        "vreemd@medmij, service 48: the list points to us, but we do not offer it",
        f"{NAME}, service 48: token endpoint https://medmij-bc.zandoord.example/token, ours is {OWN.token_endpoint}",
        f"{NAME}, service 48: system role MM-3.0-BZB-FHIR: not listed, ours is {OWN.roles['MM-3.0-BZB-FHIR']}",
        f"{NAME}, service 48: system role R: https://a.example/fhir, ours is not offered",
        f"{NAME}, service 51: we offer it, the list does not have it",
        f"{NAME}, service 65: the list points to us, but we do not offer it",
        "service 51 has no name on the list of names",
    )
