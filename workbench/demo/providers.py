"""The institutions of the demo world as settings: what an operator would write for them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from gateway.sections import ProviderSettings
from profiles.standards.load import catalogue
from workbench.demo.world import load

SUBSCRIPTION_DAYS = 365
"""Longest subscription at the providers of the demo world."""

ALL_SERVICES = "ziekenhuiszandoord"
"""In test mode this provider offers every service that the gateway knows, so that any test set can be tried."""


@lru_cache(maxsize=2)
def providers(everything: bool) -> Mapping[str, ProviderSettings]:
    """Every institution of the world with what it has data for; ``everything`` opens one of them for all services.

    The demo does without that: its consent pages would be long lists otherwise.
    """
    known = catalogue()
    offered = {}
    for provider in load(datetime.now(UTC).date()).providers:
        services = [service.id for name in provider.standards for service in known.standards[name].services]
        if everything and provider.name == ALL_SERVICES:
            services = list(known.services)
        offered[provider.name] = ProviderSettings(
            display_name=provider.display,
            services=tuple(dict.fromkeys(services)),
            privacy_url=provider.privacy,
            phone=provider.phone,
            logo=f"/static/{provider.name}/logo.svg",
            subscriptions=dict.fromkeys(
                (id_ for id_ in services if known.service(id_)[0].converts is None), SUBSCRIPTION_DAYS
            ),
            representation=tuple(kind.value for kind in provider.representation),
        )
    return offered
