"""The evidence pack: one zip in which every file has its hash, and the hashes are signed (RP-34, RP-35)."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.version import SOFTWARE

MANIFEST, SIGNATURE, GUIDE = "MANIFEST.json", "MANIFEST.sig", "LEESMIJ.txt"
_HIDDEN = "(not shown)"


def shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without secrets: those stay sealed as the settings have them, and what looks like one goes."""
    return {name: _shown(name, value) for name, value in settings.items()}


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return shown(value)
    if isinstance(value, list | tuple):
        return [_shown(name, one) for one in value]
    secret = any(part in name.lower() for part in ("secret", "password", "token", "_key", "authorization"))
    if value and (secret or (isinstance(value, str) and "@" in value and "://" in value)):
        return _HIDDEN
    return value


def packed(files: Mapping[str, tuple[str, bytes]], made: datetime, key: Ed25519PrivateKey | None) -> bytes:
    """The zip of files by name, each with a line that says what it proves. Without a key the hashes are not signed."""
    lines = {name: {"proves": proves, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
             for name, (proves, content) in files.items()}  # fmt: skip
    about = {"made": made.isoformat(timespec="seconds"), "software": SOFTWARE, "files": lines}
    manifest = msgspec.json.format(msgspec.json.encode(about), indent=1)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {GUIDE: _guide(files, signed=key is not None), MANIFEST: manifest}.items():
            _add(archive, name, content, made)
        if key is not None:
            signature = {"ed25519": base64.b64encode(key.sign(manifest)).decode(),
                         "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode()}  # fmt: skip
            _add(archive, SIGNATURE, msgspec.json.encode(signature), made)
        for name, (_, content) in files.items():
            _add(archive, name, content, made)
    return out.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes, made: datetime) -> None:
    entry = zipfile.ZipInfo(name, made.timetuple()[:6])
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
    archive.writestr(entry, content)


def _guide(files: Mapping[str, tuple[str, bytes]], *, signed: bool) -> bytes:
    lines = ["Wat elk bestand bewijst", ""]
    lines += [f"{name}\n    {proves}" for name, (proves, _) in files.items()]
    lines += ["", f"{MANIFEST}\n    De SHA-256 van elk bestand."]
    lines.append(
        f"{SIGNATURE}\n    De handtekening (Ed25519) van de instelling onder {MANIFEST}."
        if signed
        else "Er is geen handtekening: audit.signing_key is niet ingesteld."
    )
    return ("\n".join(lines) + "\n").encode()
