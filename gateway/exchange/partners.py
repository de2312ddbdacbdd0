"""Calling other institutions: our certificate, short limits, no redirects, only addresses of the partner table."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from auth.peer.tls import TlsSettings, client_context
from gateway.exchange.trust import PartnerFault

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 10.0
LATER = frozenset({401, 408, 425, 429, 500, 502, 503, 504})
"""Answers after which it may be tried again; 401: with another token."""
MOST_BYTES = 30_000_000
"""Of what is collected."""
SHORT_BYTES = 1_000_000
"""Of what only says that something was taken, or gives a token."""


def client_of(tls: TlsSettings, seconds: float = ANSWER_SECONDS) -> Callable[[], httpx.AsyncClient]:
    """Makes clients that show our certificate and trust who the settings trust; the context is made once."""
    verify = client_context(tls.back_certificate, tls.back_key, tls.trust) if tls.back_certificate else True
    timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
    return lambda: httpx.AsyncClient(verify=verify, timeout=timeout, trust_env=False, follow_redirects=False)


@dataclass(frozen=True, slots=True)
class PartnerAnswer:
    """An answer of a partner."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def call(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    seconds: float = CONNECT_SECONDS + ANSWER_SECONDS,
    most: int = MOST_BYTES,
) -> PartnerAnswer:
    """One request that has to succeed. Raises PartnerFault as `asked`, and for every refusal."""
    answer = await asked(client, method, url, headers, body, seconds=seconds, most=most)
    if not 200 <= answer.status < 300:
        wait, status = _seconds(answer.headers.get("retry-after", "")), answer.status
        raise PartnerFault(f"it answers {status}", later=status in LATER, seconds=wait, status=status)
    return answer


async def asked(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    seconds: float = CONNECT_SECONDS + ANSWER_SECONDS,
    most: int = SHORT_BYTES,
) -> PartnerAnswer:
    """One request, whole within ``seconds`` however the answer drips, and of at most ``most`` bytes.

    Raises PartnerFault for no answer, and for one that is too slow or too long.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _read(client, method, url, headers, body, most)
    except TimeoutError as fault:
        raise PartnerFault(f"its answer is not there after {seconds:.0f} seconds", later=True) from fault
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise PartnerFault(f"it cannot be reached ({type(fault).__name__})", later=True) from fault


async def _read(
    client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], body: bytes | None, most: int
) -> PartnerAnswer:
    async with client.stream(method, url, headers=dict(headers), content=body) as response:
        parts, size = [], 0
        async for part in response.aiter_bytes():
            size += len(part)
            if size > most:
                raise PartnerFault(f"its answer is longer than {most} bytes", later=False)
            parts.append(part)
        return PartnerAnswer(response.status_code, dict(response.headers), b"".join(parts))


def _seconds(text: str) -> int:
    return min(int(text), 3_600) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
