"""The JWK set of a login bridge: what we do not understand in it never stops a login (IDN-01, RFC 7517)."""

import json
from typing import Any

import pytest
from flow.auth.test_auth_login import Bridge, log_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey
from shared import shared
from world.auth_house import P1

from auth.login.keys import NoKeySet, ProviderKeys
from auth.login.port import LoginFailed, LoginUnavailable

pytestmark = pytest.mark.anyio

RSA = RSAKey.generate_key(2048)
ELLIPTIC = ECKey.generate_key("P-256")


def public(key: Any, **beside: Any) -> dict[str, Any]:
    """A key as it stands in a set."""
    return {**key.as_dict(private=False), **beside}


def bridge(*keys: Any, kid: str | None = "a") -> Bridge:
    """A bridge that signs with RS256 and publishes these keys."""
    found = Bridge()
    found.key, found.keys = RSA, {"keys": list(keys)}
    found.header = {"alg": "RS256", **({"kid": kid} if kid else {})}
    return found


RIGHT = public(RSA, kid="a")
NOT_UNDERSTOOD: dict[str, Any] = {
    "an unknown curve": {"kty": "OKP", "crv": "X999", "kid": "new", "x": "AAAA"},
    "Brainpool": {"kty": "EC", "crv": "BP-256", "kid": "new", "x": "AAAA", "y": "AAAA"},
    "a curve for agreement only": {"kty": "OKP", "crv": "X25519", "kid": "a", "x": "A" * 43},
    "a type of tomorrow": {"kty": "AKP", "alg": "ML-DSA-44", "kid": "a", "pub": "AAAA"},
    "no type": {"kid": "a"},
    "a type that is a list": {"kty": ["RSA"], "kid": "a"},
    "no members": {"kty": "RSA", "kid": "a"},
    "a member that is a number": {"kty": "RSA", "kid": "a", "n": 5, "e": "AQAB"},
    "a member that is no base64": {"kty": "EC", "crv": "P-256", "kid": "a", "x": "%%", "y": "é"},
    "a point beside the curve": {"kty": "EC", "crv": "P-256", "kid": "a", "x": "AQ", "y": "AQ"},
    "the same id on another type": public(ELLIPTIC, kid="a"),
    "the same id, for encryption": public(RSAKey.generate_key(2048), kid="a", use="enc"),
    "the same id, other operations": public(RSAKey.generate_key(2048), kid="a", key_ops=["encrypt"]),
    "the same id, another algorithm": public(RSAKey.generate_key(2048), kid="a", alg="RSA-OAEP"),
    "the same id on an older key": public(RSAKey.generate_key(2048), kid="a"),
    "no object": "key",
    "nothing": None,
}


@pytest.mark.parametrize("case", NOT_UNDERSTOOD)
async def test_idn_01_a_key_that_is_not_understood_stops_nobody(case: str) -> None:
    """IDN-01, RFC 7517 section 5: before and after the key that signed."""
    assert (await log_in(bridge(NOT_UNDERSTOOD[case], RIGHT))).bsn == P1
    assert (await log_in(bridge(RIGHT, NOT_UNDERSTOOD[case]))).bsn == P1


async def test_idn_01_members_beside_the_key_do_not_matter() -> None:
    """Certificates, unknown members and null values beside a good key."""
    beside = {"x5c": ["rubbish"], "x5t": 5, "future": {"a": None}, "use": "sig", "alg": "RS256", "key_ops": ["verify"]}
    assert (await log_in(bridge({**RIGHT, **beside}))).bsn == P1


async def test_idn_01_a_token_without_key_id() -> None:
    """RFC 7515 section 4.1.4: the key id is optional; then every fitting key may have signed."""
    older = public(RSAKey.generate_key(2048), kid="b")
    assert (await log_in(bridge(older, RIGHT, kid=None))).bsn == P1


async def test_ct_48_no_fitting_key_is_a_failed_login() -> None:
    """CT-48: another id, a shared secret in the set, only keys beyond us, no keys."""
    secret = OctKey.import_key("0" * 64).as_dict(private=True)
    for keys in ([public(RSA, kid="b")], [{**secret, "kid": "a"}], [NOT_UNDERSTOOD["no type"]], []):
        with pytest.raises(LoginFailed, match="signature"):
            await log_in(bridge(*keys))
    forged = bridge({**secret, "kid": "a"}, RIGHT)
    forged.key, forged.header = OctKey.import_key("0" * 64), {"alg": "HS256", "kid": "a"}
    with pytest.raises(LoginFailed, match="signature"):
        await log_in(forged)


async def test_err_18_what_is_no_key_set() -> None:
    """ERR-18: a bridge that publishes something else is out of order, which is not the person's fault."""
    for document in ({}, {"keys": None}, {"keys": {"a": RIGHT}}, {"keys": "x"}):
        broken = bridge()
        broken.keys = document  # type: ignore[assignment]
        with pytest.raises(LoginUnavailable):
            await log_in(broken)


@pytest.mark.parametrize("case", ["o01-jwks-unknown-curve.json", "o03-jwks-same-kid-two-types.json"])
async def test_idn_01_the_cases_from_practice(case: str) -> None:
    """IDN-01: the sets that stopped logins elsewhere, with this bridge's own key filled in."""
    document = json.loads(shared("field-cases", case).read_text("utf-8"))
    ours = {"RSA": RIGHT, "EC": public(ELLIPTIC, kid="a")}
    keys = [key if "<" not in json.dumps(key) else ours[key["kty"]] for key in document["keys"]]
    assert (await log_in(bridge(*keys))).bsn == P1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
members = st.sampled_from(["kty", "crv", "kid", "x", "y", "n", "e", "use", "alg", "key_ops", "d"])
values = json_values | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", "a", "sig"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(members, values, max_size=6) | json_values, max_size=4))
def test_idn_01_any_set_is_read(keys: list[Any]) -> None:
    """Whatever stands beside it, the key that we understand is found, and reading raises nothing."""
    read = ProviderKeys.read({"keys": [*keys, RIGHT]})
    assert [beside for beside, _ in read.keys][-1] == RIGHT


@given(json_values)
def test_idn_01_what_is_no_set_is_told(document: Any) -> None:
    """Only an array under `keys` is a set."""
    if isinstance(document, list):
        assert ProviderKeys.read({"keys": document}).keys == ()
    else:
        with pytest.raises(NoKeySet):
            ProviderKeys.read({"keys": document})
