"""Access tokens without a flow, for test sets (test mode only): a file of them is read, and kept as digests."""

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Engine

from auth.bearer import ANY_CLIENT
from auth.crypto import digest
from auth.store.store import Family, Store, milliseconds
from gateway.settings import Settings
from gateway.wiring import keys_of
from profiles.record.bsn import valid_bsn

LIFETIME = timedelta(days=3650)
CLIENT = ANY_CLIENT
"""Tokens without a client are good for every client: test sets do not say who asks."""


class StaticToken(BaseModel):
    """One entry of a token file."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, Field(min_length=16, max_length=400)]
    provider: str
    services: Annotated[list[str], Field(min_length=1)]
    bsn: str | None = None
    patient: str | None = None
    client: str = CLIENT


TOKENS = TypeAdapter(list[StaticToken])


class TokenFileError(Exception):
    """A token file that cannot be used; the text names the entry, never a token or BSN."""


def read_tokens(content: bytes, offered: Collection[str] | None = None) -> list[StaticToken]:
    """Read a token file. Raises TokenFileError; with ``offered`` also for another provider."""
    try:
        tokens = TOKENS.validate_python(json.loads(content))
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        raise TokenFileError(f"entry {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError:
        raise TokenFileError("not JSON") from None
    for index, token in enumerate(tokens):
        if token.bsn is None and token.patient is None:
            raise TokenFileError(f"entry {index}: bsn or patient is needed")
        if token.bsn is not None and not valid_bsn(token.bsn):
            raise TokenFileError(f"entry {index}: bsn does not pass the eleven test")
        if offered is not None and token.provider not in offered:
            raise TokenFileError(f"entry {index}: unknown provider; known are {', '.join(sorted(offered))}")
    return tokens


def issue(engine: Engine, settings: Settings, tokens: list[StaticToken]) -> None:
    """Keep the tokens, as digests, for ten years."""
    pseudonyms, ring = keys_of(settings)
    store, now = Store(engine), datetime.now(UTC)
    for token in tokens:
        key = digest(token.token)
        family = Family(
            id=f"static-{key.hex()[:32]}",
            consent_id=None,
            client=token.client,
            provider=token.provider,
            function="collect",
            dialect="C",
            services=frozenset(token.services),
            days=None,
            # A token by patient id alone still needs a person for the audit record: one that stands for that patient.
            subject=pseudonyms.of(token.bsn or f"patient|{token.provider}|{token.patient}"),
            sealed_bsn=ring.seal("bsn", token.bsn.encode()) if token.bsn else None,
            patient=token.patient,
            actor=None,
            sealed_actor=None,
            sealed_birth_date=None,
            representation=None,
            lasting=False,
            created=milliseconds(now),
            used=milliseconds(now),
        )
        store.issue_static(key, family, now + LIFETIME)
