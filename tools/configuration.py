"""Writes docs/configuration.md from the settings themselves: every setting, its default, its bounds, what it is for.

python tools/configuration.py > docs/configuration.md
"""

import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway.clients import ClientSettings
from gateway.exchange.settings import PartnerSettings, PartySettings
from gateway.sections import ProviderSettings
from gateway.settings import Settings

HEAD = """# Configuration

One TOML file (`--config gateway.toml`, or `GATEWAY_CONFIG`), environment variables above it, defaults below it. Every
setting below is also an environment variable: `listen.port` is `GATEWAY_LISTEN__PORT`. A name that does not exist is
an error. Commands and service read the same settings: `package_cache` is the folder of `gateway packages`, of
`gateway validate` and of the service. A variable that is no setting is named by `gateway doctor`.

The defaults run the demo. With `mode = "production"` the gateway refuses to start with anything that is for tests
only: the test login, plain HTTP, a back channel without mutual TLS, static tokens, default keys; `gateway doctor` says
what is missing. Secrets belong in environment variables or a file that only the service can read.

This is a whole one; a test starts it as it stands here:

```toml
mode = "production"
database_url = "postgresql://gateway@db.internal/gateway?sslmode=verify-full"

[listen]
base_url = "https://medmij-bc.example"         # for servers of other parties: mutual TLS

[auth]
base_url = "https://medmij.example"            # for browsers
dva_name = "Ziekenhuis Zandoord"
dva_phone = "030 - 123 45 67"
seal_with = "2026"

[auth.login]
issuer = "https://login.example"
client_id = "medmij-gateway"
private_key_file = "/etc/medmij-gateway/login.key"

[lists]
source = "node"
copies = "/var/lib/medmij-gateway/lists"

[tls]
peer = "proxy"
trust = "/etc/medmij-gateway/trust.pem"
crls = "/var/lib/medmij-gateway/crls"
crl_urls = ["http://crl.example/issuing.crl"]
back_certificate = "/etc/medmij-gateway/back.pem"
back_key = "/etc/medmij-gateway/back.key"

[providers.ziekenhuiszandoord]
display_name = "Ziekenhuis Zandoord"
services = ["48", "51"]
sources = [{ type = "fhir", name = "epd", version = "stu3", url = "https://epd.internal/fhir" }]
```

with its secrets as variables, of which only the database's has another owner (PostgreSQL's own `PGPASSWORD` or a
password file):

| variable | made by |
|---|---|
| `GATEWAY_AUDIT_KEY` | `openssl rand -base64 48` |
| `GATEWAY_AUTH__PSEUDONYM_KEY` | `openssl rand -base64 32` |
| `GATEWAY_AUTH__SEAL_KEYS` | `{"2026": "..."}`, with `openssl rand -base64 32` |

This page is written by `tools/configuration.py`; a test compares it with the settings.
"""


def rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting of a model by its dotted name; sections are walked."""
    for name, field in model.model_fields.items():
        inner = section(field)
        if inner is not None:
            yield from rows(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def section(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a section of its own."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def default(field: FieldInfo) -> str:
    """The default as it would stand in the file; secrets are not shown."""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr) or "Secret" in str(field.annotation):
        return "(test key)" if value else ""
    if isinstance(value, dict) and value:
        return "(see docs)"
    return "" if value in (None, "", (), {}) or field.is_required() else f"`{_shown(value)}`"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown(one) for one in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def allowed(field: FieldInfo) -> str:
    """Choices and bounds, in a few words."""
    choices = list(_choices(field.annotation))
    if choices:
        return ", ".join(f"`{one}`" for one in choices)
    signs = {Ge: "at least", Gt: "more than", Le: "at most", Lt: "less than"}
    found = []
    for bound in field.metadata:
        for kind, words in signs.items():
            if isinstance(bound, kind):
                found.append(f"{words} {getattr(bound, kind.__name__.lower())}")
    return ", ".join(found)


def _choices(annotation: Any) -> Iterator[str]:
    if str(get_origin(annotation)) == "typing.Literal":
        yield from map(str, get_args(annotation))
    else:
        for inner in get_args(annotation):
            yield from _choices(inner)


def table(model: type[BaseModel], prefix: str = "") -> str:
    """One Markdown table."""
    lines = ["| setting | default | allowed | what for |", "|---|---|---|---|"]
    for name, field in rows(model, prefix):
        text = (field.description or "").replace("|", "\\|").replace("\n", " ")
        lines.append(f"| `{name}` | {default(field)} | {allowed(field)} | {text} |")
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    provider = "\n## A care provider: `providers.NAME`\n"
    client = '\n## A client: `clients."HOST"`\n'
    parts = [
        HEAD,
        "## All settings\n",
        table(Settings),
        provider,
        table(ProviderSettings),
        client,
        table(ClientSettings),
        "\n## Our organisation in the exchange: `exchange.parties.NAME`\n",
        table(PartySettings),
        "\n## Another institution: `exchange.partners.NAME`\n",
        table(PartnerSettings),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
