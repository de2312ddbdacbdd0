"""What the store promises: one winner among many, a register that only grows, retention, keys that rotate."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import anyio
import pytest
from sqlalchemy import Engine, select
from world.auth_house import P1, ZANDOORD, D, House

from auth.crypto import KeyRing, SealError, digest, new_token
from auth.events import EventType
from auth.pages.catalogue import TEXT_VERSION
from auth.store.rows import Code
from auth.store.store import Store, engine_for
from auth.store.tables import consents, sessions

pytestmark = pytest.mark.anyio


def _workers(engine: Engine, count: int) -> list[Store]:
    """Stores with connections of their own, as separate worker processes have."""
    url = engine.url.render_as_string(hide_password=False)
    return [Store(engine_for(url)) for _ in range(count)]


async def test_ct_61_many_workers_one_code(house: House) -> None:
    """CT-61, TOKEN-18: eight workers offer the same code at once; one gets it, seven learn that it was spent."""
    pgo = house.pgo()
    workers = _workers(house.engine, 8)
    try:
        for _ in range(3):
            key = digest(await pgo.code())
            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(lambda store, key=key: store.spend_code(key, 1), workers))
            assert sum(spent.code is not None for spent in found) == 1
            assert sum(spent.replayed_family is not None for spent in found) == 7
    finally:
        for store in workers:
            store.engine.dispose()


async def test_ltc_04_many_workers_one_refresh(house: House) -> None:
    """LTC-04: of eight rotations of the same token one succeeds, and only its tokens are kept."""
    pgo = house.pgo()
    token = await pgo.tokens(lasting=True)
    store = house.auth.parts.store
    old = store.find_refresh(digest(token["refresh_token"]))
    assert old is not None
    drawn = [(digest(new_token()), digest(new_token())) for _ in range(8)]
    workers = _workers(house.engine, 8)

    def rotate(pair: tuple[Store, tuple[bytes, bytes]]) -> bool:
        worker, (access, refresh) = pair
        new_access = {"digest": access, "services": "48", "correlation_id": None, "expires": 2**40}
        return worker.rotate_refresh(
            old, 1, str(uuid.uuid4()), new_access, {"digest": refresh, "services": "48", "expires": None}
        )

    try:
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(rotate, zip(workers, drawn, strict=True)))
    finally:
        for worker in workers:
            worker.engine.dispose()
    assert won.count(True) == 1
    for (access, refresh), kept in zip(drawn, won, strict=True):
        assert (store.find_by_access(access) is not None) is kept
        assert (store.find_refresh(refresh) is not None) is kept


async def test_auth_14_a_value_is_never_issued_twice(house: House) -> None:
    """AUTH-14: codes and tokens that exist already are not accepted again, also long after they expired."""
    pgo = house.pgo()
    token = await pgo.tokens(lasting=True)
    house.clock.pass_(days=400)
    house.auth.purge()
    store = house.auth.parts.store
    family = store.find_by_access(digest(token["access_token"])) or ""
    access = {
        "digest": digest(token["access_token"]), "services": "48", "correlation_id": None, "expires": 1,
    }  # fmt: skip
    assert store.add_tokens(family, 1, access, None) is False
    code = Code(family, D, pgo.redirect_uri, None, None, None, None, 1)
    key = digest(new_token())
    assert store.add_code(key, code) is True
    assert store.add_code(key, code) is False


async def test_cons_01_what_the_register_holds(house: House) -> None:
    """CONS-01 to CONS-04: who, what, for whom, which texts, which login, under which correlation id."""
    pgo = house.pgo()
    grant = await pgo.check((await pgo.tokens(lasting=True))["access_token"])
    parts = house.auth.parts
    (entry,) = parts.store.consent(grant.consent_id or "")
    assert (entry.outcome, entry.channel, entry.function) == ("given", "authorization", "collect")
    assert (entry.provider, entry.client, entry.organisation) == (ZANDOORD, D, "Mijn Dossierboom")
    assert (entry.offered, entry.granted, entry.lasting) == (("48", "65"), ("48", "65"), True)
    assert (entry.text_version, entry.interface_version, entry.level) == (TEXT_VERSION, "2", 20)
    assert (entry.subject, entry.actor, entry.correlation_id) == (parts.pseudonyms.of(P1), None, pgo.correlation)
    assert entry.assertion_id
    assert entry.session_id
    assert abs(entry.moment / 1000 - house.clock.now.timestamp()) < 1


async def test_cons_01_cancelling_is_recorded_without_a_person(house: House) -> None:
    """CONS-01: outcome cancelled."""
    pgo = house.pgo()
    await pgo.submit(await pgo.submit(await pgo.authorize(), "cancel"), "stop")
    with house.engine.connect() as connection:
        rows = connection.execute(select(consents.c.outcome, consents.c.subject)).all()
    assert [tuple(row) for row in rows] == [("cancelled", None)]


async def test_the_register_only_grows(house: House) -> None:
    """CONS-01: no line ever changes; an end is a line of its own with the same consent id."""
    pgo = house.pgo()

    def lines() -> dict[str, tuple[object, ...]]:
        with house.engine.connect() as connection:
            return {row.entry: tuple(row) for row in connection.execute(select(consents))}

    await pgo.tokens(lasting=True)
    before = lines()
    token = await pgo.tokens(lasting=True)
    house.clock.pass_(days=1)
    await pgo.post("/oauth/revoke", {"token": token["access_token"], "client_id": D})
    after = lines()
    assert before.items() <= after.items()
    assert sorted(str(row[2]) for row in after.values()) == ["given", "given", "replaced", "withdrawn"]


async def test_ltc_03_idle_consents_end_by_the_daily_job(house: House) -> None:
    """LTC-03: without anybody asking; what is used lives on."""
    pgo, other = house.pgo(), house.pgo()
    await pgo.tokens(lasting=True)
    used = await other.tokens(lasting=True, scope=f"{ZANDOORD}~48")
    house.clock.pass_(days=100)
    used = (await other.refresh(used["refresh_token"])).json()
    house.clock.pass_(days=100)
    assert house.auth.purge()["expired consents"] == 0
    house.clock.pass_(days=90)
    assert house.auth.purge()["expired consents"] == 1
    assert EventType.CONSENT_EXPIRED in {event.type for event in house.host.events}
    assert (await other.refresh(used["refresh_token"])).status_code == 400


async def test_cons_05_retention(house_with: Callable[..., House]) -> None:
    """CONS-05: sessions go when they expire, the rest after the retention; living consents stay however old."""
    house = house_with(retention_days=30)
    pgo = house.pgo()
    lasting = await pgo.tokens(lasting=True)
    await pgo.authorize()
    await house.pgo().tokens(scope=f"{ZANDOORD}~53")
    house.clock.pass_(minutes=20)
    deleted = house.auth.purge()
    assert deleted["auth_session"] > 0
    assert deleted["auth_consent"] == 0
    with house.engine.connect() as connection:
        assert connection.execute(select(sessions)).first() is None
    house.clock.pass_(days=31)
    deleted = house.auth.purge()
    assert (deleted["auth_family"], deleted["auth_consent"]) == (1, 1)
    assert (await pgo.refresh(lasting["refresh_token"])).status_code == 200


async def test_idn_07_keys_rotate(house: House) -> None:
    """IDN-07: seal again under the new key, then the old key can go."""
    pgo = house.pgo()
    token = await pgo.tokens(lasting=True)
    parts = house.auth.parts
    old_name, keys = house.settings.seal_ring()
    both = KeyRing("2027", {**keys, "2027": b"n" * 32})
    object.__setattr__(parts, "ring", both)
    assert house.auth.reseal() == 1
    assert house.auth.reseal() == 0
    object.__setattr__(parts, "ring", KeyRing("2027", {"2027": b"n" * 32}))
    refreshed = await pgo.refresh(token["refresh_token"])
    assert refreshed.status_code == 200
    grant = await pgo.check(refreshed.json()["access_token"])
    assert parts.ring.open("bsn", grant.sealed_bsn).decode() == P1
    with pytest.raises(SealError):
        KeyRing(old_name, keys).open("bsn", grant.sealed_bsn)


async def test_a_session_of_a_lost_key_is_an_expired_page(house: House) -> None:
    """A key taken off the ring too early costs people their visit, not an internal error."""
    pgo = house.pgo()
    consent = await pgo.to_consent()
    object.__setattr__(house.auth.parts, "ring", KeyRing("x", {"x": b"x" * 32}))
    page = await pgo.submit(consent, "decide", decision="give")
    assert page.status_code == 400


async def test_housekeeping_goes_on_after_a_failing_round(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """CONS-05: a database that is away for a moment costs one round, not the job."""
    await house.pgo().authorize()
    house.clock.pass_(hours=1)

    def rows() -> int:
        with house.engine.connect() as connection:
            return len(connection.execute(select(sessions)).all())

    with house.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE auth_family RENAME TO gone")
    async with anyio.create_task_group() as group:
        group.start_soon(house.auth.housekeeping, timedelta(seconds=0.05))
        while "housekeeping failed" not in caplog.text:  # noqa: ASYNC110 - what is awaited is a line in the log
            await anyio.sleep(0.01)
        with house.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO auth_family")
        with anyio.fail_after(10):
            while rows():  # noqa: ASYNC110 - and a row that goes
                await anyio.sleep(0.02)
        group.cancel_scope.cancel()
