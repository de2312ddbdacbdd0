"""What a visit keeps for later: the endpoints and the tokens, in a file that only its owner reads."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.pgo.endpoints import EndpointError, Endpoints
from workbench.pgo.oauth import Tokens


@dataclass(frozen=True, slots=True)
class KeptVisit:
    """The end of a visit."""

    endpoints: Endpoints
    provider: str
    services: tuple[str, ...]
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


def keep(path: Path, endpoints: Endpoints, tokens: Tokens) -> None:
    """Write the file, readable for the owner alone. Raises OSError."""
    content = {
        "client_id": endpoints.client_id,
        "redirect_uri": endpoints.redirect_uri,
        "authorize": endpoints.authorize_url,
        "token": endpoints.token_url,
        "resources": dict(endpoints.resources),
        "provider": tokens.provider,
        "services": list(tokens.services),
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
    }
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)


def kept(path: Path) -> KeptVisit:
    """Read the file. Raises EndpointError when it is not one of ours."""
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        endpoints = Endpoints(
            str(content["client_id"]),
            str(content["redirect_uri"]),
            str(content["authorize"]),
            str(content["token"]),
            {str(service): str(url) for service, url in content["resources"].items()},
        )
        services = tuple(str(one) for one in content["services"])
        tokens = (str(content["access_token"]), str(content["refresh_token"]))
        return KeptVisit(endpoints, str(content["provider"]), services, *tokens)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EndpointError(f"{path} is no file of 'gateway pgo visit --keep': {type(error).__name__}") from error
