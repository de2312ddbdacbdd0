"""Revocation lists are fetched from their distribution points, and only true and newer ones are kept."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from security.pki import DAY, Pki
from security.tlsworld import serving

from auth.peer.certificates import CertificateRefused, PeerCheck, Trust
from auth.peer.crl import Revocations
from auth.peer.crl_pull import CrlPuller

HOST = "medmij.mijndossierboom.example"


class Point:
    """A distribution point that publishes what it is told."""

    def __init__(self) -> None:
        self.lists: dict[str, bytes] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        data = self.lists.get(scope["path"])
        await send({"type": "http.response.start", "status": 200 if data is not None else 404, "headers": []})
        await send({"type": "http.response.body", "body": data or b""})


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    found = Pki(tmp_path)
    for file in found.crls.iterdir():
        file.unlink()
    return found


@pytest.fixture
def point(pki: Pki) -> Iterator[tuple[Point, CrlPuller]]:
    served = Point()
    served.lists = {"/root.crl": pki.root.revocation_list(), "/issuing.crl": pki.issuing.revocation_list()}
    with serving(served) as port:
        urls = [f"http://127.0.0.1:{port}{path}" for path in served.lists]
        yield served, CrlPuller(urls, pki.crls, Trust.read(pki.trust), timeout_seconds=5)


def test_fetched_lists_open_the_door_and_close_it(pki: Pki, point: tuple[Point, CrlPuller]) -> None:
    """TLS-09, CT-74."""
    served, puller = point
    leaf, revocations = pki.issuing.issue(HOST), Revocations(pki.crls)
    checker = PeerCheck(Trust.read(pki.trust), revocations)
    with pytest.raises(CertificateRefused, match="no revocation list"):
        checker.client(leaf.der)
    assert asyncio.run(puller.refresh()) == ()
    revocations.look_again()
    assert checker.client(leaf.der) == (HOST,)
    served.lists["/issuing.crl"] = pki.issuing.revocation_list(leaf, begins=timedelta(hours=-1))
    asyncio.run(puller.refresh())
    revocations.look_again()
    with pytest.raises(CertificateRefused, match="revoked"):
        checker.client(leaf.der)


def test_false_older_or_absent_lists_leave_the_old_one(pki: Pki, point: tuple[Point, CrlPuller]) -> None:
    """TLS-09: a distribution point speaks plain HTTP, so only the signature counts."""
    served, puller = point
    leaf = pki.issuing.issue(HOST)
    served.lists["/issuing.crl"] = pki.issuing.revocation_list(leaf)
    asyncio.run(puller.refresh())
    before = {path.name: path.read_bytes() for path in pki.crls.iterdir()}
    later = timedelta(0)
    for data, faults in (
        (pki.issuing.revocation_list(begins=later, signer=pki.stranger), 1),
        (pki.stranger.revocation_list(begins=later), 1),
        (pki.issuing.revocation_list(begins=-5 * DAY), 0),
        (b"<html>Sorry</html>", 1),
        (b"", 1),
    ):
        served.lists["/issuing.crl"] = data
        assert len(asyncio.run(puller.refresh())) == faults
    del served.lists["/issuing.crl"]
    assert len(asyncio.run(puller.refresh())) == 1
    assert {path.name: path.read_bytes() for path in pki.crls.iterdir()} == before


def test_a_point_that_is_not_there_is_a_fault_and_no_crash(pki: Pki) -> None:
    puller = CrlPuller(["http://127.0.0.1:9/x.crl", "no address"], pki.crls, Trust.read(pki.trust), timeout_seconds=2)
    assert len(asyncio.run(puller.refresh())) == 2
