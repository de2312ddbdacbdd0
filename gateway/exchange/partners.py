"""Calling other institutions: our certificate, short limits, no redirects, only addresses of the partner table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from auth.peer.tls import TlsSettings, client_context
from gateway.exchange.trust import PartnerFault

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 10.0
LATER = frozenset({401, 408, 425, 429, 500, 502, 503, 504})
"""Answers after which it may be tried again; 401: with another token."""
MOST_BYTES = 30_000_000


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
    client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> PartnerAnswer:
    """One request. Raises PartnerFault for no answer, for too long a one, and for every refusal."""
    try:
        async with client.stream(method, url, headers=dict(headers), content=body) as response:
            parts, size = [], 0
            async for part in response.aiter_bytes():
                size += len(part)
                if size > MOST_BYTES:
                    raise PartnerFault(f"its answer is longer than {MOST_BYTES} bytes", later=False)
                parts.append(part)
            status, shown = response.status_code, dict(response.headers)
    except httpx.HTTPError as fault:
        raise PartnerFault(f"it cannot be reached ({type(fault).__name__})", later=True) from fault
    if not 200 <= status < 300:
        seconds = _seconds(shown.get("retry-after", ""))
        raise PartnerFault(f"it answers {status}", later=status in LATER, seconds=seconds, status=status)
    return PartnerAnswer(status, shown, b"".join(parts))


def _seconds(text: str) -> int:
    return min(int(text), 3_600) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
