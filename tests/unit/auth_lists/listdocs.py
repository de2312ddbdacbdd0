"""List documents for tests: small, and wrong in one chosen way."""

from collections.abc import Sequence

NS = "xmlns://afsprakenstelsel.medmij.nl"
STAMP = "2026-11-20T06:15:00+01:00"
PGO, MAP, NODE = "medmij.mijndossierboom.example", "koppel.gezondheidsmap.example", "stelselnode.medmij.example"


def document(root: str, release: int, body: str, *, number: str = "7", stamp: str = STAMP, before: str = "") -> bytes:
    """A whole list: heading and body."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{before}<{root} xmlns="{NS}/{root.lower()}/release{release}/">\n'
        f"<Tijdstempel>{stamp}</Tijdstempel>\n<Volgnummer>{number}</Volgnummer>\n{body}\n</{root}>\n"
    ).encode()


def whitelist(hosts: Sequence[str] = (PGO, MAP, NODE), *, release: int = 2, **heading: str) -> bytes:
    nodes = "".join(f"<MedMijNode><Hostname>{host}</Hostname></MedMijNode>\n" for host in hosts)
    return document("Whitelist", release, f"<MedMijNodes>{nodes}</MedMijNodes>", **heading)


def client(host: str = PGO, name: str = "Mijn Dossierboom", services: Sequence[str] | None = None) -> str:
    block = ""
    if services is not None:
        entries = "".join(
            f"<Gegevensdienst><GegevensdienstId>{s}</GegevensdienstId></Gegevensdienst>" for s in services
        )
        block = f"<Gegevensdiensten>{entries}</Gegevensdiensten>"
    return (
        f"<OAuthclient><Hostname>{host}</Hostname>"
        f"<OAuthclientOrganisatienaam>{name}</OAuthclientOrganisatienaam>{block}</OAuthclient>\n"
    )


def clients(entries: Sequence[str] | None = None, *, release: int = 3, **heading: str) -> bytes:
    found = [client(services=["48", "65"])] if entries is None else entries
    return document("OAuthclientlist", release, f"<OAuthclients>{''.join(found)}</OAuthclients>", **heading)


def service(
    ident: str = "48",
    *,
    front: str = "https://medmij.zandoord.example/oauth/authorize",
    token: str = "https://medmij-bc.zandoord.example/oauth/token",
    roles: Sequence[tuple[str, str]] = (("MM-3.0-BZB-FHIR", "https://medmij-bc.zandoord.example/zandoord/48/fhir"),),
    days: int | None = None,
) -> str:
    subscribe = (
        f"<Abonneren><MaximaleDuur>{days}</MaximaleDuur>"
        "<SubscriptionEndpointuri>https://medmij-bc.zandoord.example/abonneren</SubscriptionEndpointuri></Abonneren>"
        if days is not None
        else ""
    )
    found = "".join(
        f"<Systeemrol><Systeemrolcode>{code}</Systeemrolcode><ResourceEndpoint>"
        f"<ResourceEndpointuri>{uri}</ResourceEndpointuri></ResourceEndpoint></Systeemrol>"
        for code, uri in roles
    )
    return (
        f"<Gegevensdienst><GegevensdienstId>{ident}</GegevensdienstId>"
        f"<AuthorizationEndpoint><AuthorizationEndpointuri>{front}</AuthorizationEndpointuri></AuthorizationEndpoint>"
        f"<TokenEndpoint><TokenEndpointuri>{token}</TokenEndpointuri></TokenEndpoint>"
        f"{subscribe}<Systeemrollen>{found}</Systeemrollen></Gegevensdienst>\n"
    )


def provider(name: str = "ziekenhuiszandoord@medmij", *services: str, interface: str = "2", kind: str = "ZA") -> str:
    return (
        f"<Zorgaanbieder><Zorgaanbiedernaam>{name}</Zorgaanbiedernaam><Aanbiedertype>{kind}</Aanbiedertype>"
        f"<Interfaceversies><Interfaceversie><InterfaceversieId>{interface}</InterfaceversieId>"
        f"<Gegevensdiensten>{''.join(services or (service(),))}</Gegevensdiensten></Interfaceversie></Interfaceversies>"
        "</Zorgaanbieder>\n"
    )


def provider11(name: str = "ziekenhuiszandoord@medmij", *services: str) -> str:
    found = "".join(services or (service(),))
    return (
        f"<Zorgaanbieder><Zorgaanbiedernaam>{name}</Zorgaanbiedernaam>"
        f"<Gegevensdiensten>{found}</Gegevensdiensten></Zorgaanbieder>\n"
    )


def providers(entries: Sequence[str] | None = None, *, release: int = 3, **heading: str) -> bytes:
    found = [provider()] if entries is None else entries
    return document("Zorgaanbiederslijst", release, f"<Zorgaanbieders>{''.join(found)}</Zorgaanbieders>", **heading)


def names(entries: Sequence[tuple[str, str]] = (("48", "Verzamelen Basisgegevens zorg 3.0"),), **heading: str) -> bytes:
    body = "".join(
        f"<Gegevensdienst><GegevensdienstId>{i}</GegevensdienstId><Weergavenaam>{n}</Weergavenaam></Gegevensdienst>\n"
        for i, n in entries
    )
    return document("Gegevensdienstnamenlijst", 1, f"<Gegevensdiensten>{body}</Gegevensdiensten>", **heading)
