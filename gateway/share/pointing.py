"""References in what is sent: to entries beside it, to what the client got here of this person, and to nothing else.

An address elsewhere stays as text and is never fetched (DL-24). What is another person's and what does not exist get
the same answer.
"""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Engine

from gateway.problems import Problem
from gateway.share.findings import finding
from gateway.share.parcel import Item, Parcel
from gateway.share.sharer import Sharer
from gateway.store.engine import reading
from gateway.store.known import rows_of
from profiles.fhir.tree import Resource, local_reference
from profiles.record.repair import Repair
from profiles.record.walk import Key, nodes
from profiles.standards.receives import Role

UNKNOWN = "This does not lead to something of this person at this provider."


def resolve(parcel: Parcel, sharer: Sharer) -> None:
    """Let the entries point at each other by type and id, in place, the Patient entry at the Patient that is known."""
    urls = parcel.urls | {
        item.full_url: ("Patient", sharer.patient_id) for item in parcel.of(Role.PERSON) if item.full_url
    }
    for item in parcel.items:
        for path, node, name in pointers(item.resource):
            text = node[name]
            key = urls.get(text)
            if key is None and text.startswith(f"{sharer.base}/"):
                key = local_reference(text)
            if key is not None:
                node[name] = "/".join(key)
                item.repairs.append(Repair("reference-made-relative", f"{path}.{name}"))


def pointers(resource: Resource) -> Iterator[tuple[str, Resource, str]]:
    """Everything in a resource that points: the reference of a Reference, the url of an Attachment."""
    for path, node in nodes(resource):
        if isinstance(node.get("reference"), str):
            yield path, node, "reference"
        if isinstance(node.get("url"), str) and ("contentType" in node or "hash" in node or "size" in node):
            yield path, node, "url"


def aimed(parcel: Parcel, sharer: Sharer, engine: Engine) -> None:
    """Look at where everything points. An entry that points at what is not this person's gets a fault (422)."""
    beside = {item.key for item in parcel.items}
    wanted: dict[Key, list[tuple[Item, str]]] = {}
    # Of a Patient nothing is kept, and a Task is held against the one that is stored.
    for item in (one for one in parcel.items if one.role not in (Role.PERSON, Role.TASK)):
        contained = {f"#{one.get('id')}" for one in item.resource.get("contained", ()) if isinstance(one, dict)}
        for path, node, name in pointers(item.resource):
            text, key = node[name], local_reference(node[name])
            if text.startswith("#") and (text in contained or text == "#"):
                continue
            if "://" in text:
                item.findings.append(found("reference-elsewhere", f"{path}.{name}"))
            elif key is None:
                item.fault = item.fault or _nowhere(item, f"{path}.{name}")
            elif key not in beside:
                wanted.setdefault(key, []).append((item, f"{path}.{name}"))
    rows = _rows(wanted, sharer, engine) if wanted else {}
    for key, places in wanted.items():
        mine = _is_mine(key, sharer, rows)
        for item, place in places:
            if mine is None:
                item.findings.append(found("reference-unknown", place))
            elif not mine:
                item.fault = item.fault or _nowhere(item, place)


def _rows(keys: Iterable[Key], sharer: Sharer, engine: Engine) -> Mapping[Key, str]:
    with reading(engine).connect() as connection:
        rows = rows_of(connection, sharer.provider, sharer.version, keys)
    return {key: row.patient_id for key, row in rows.items() if not row.deleted}


def _is_mine(key: Key, sharer: Sharer, rows: Mapping[Key, str]) -> bool | None:
    """Whether something is this person's, or nobody's in particular; None when only a live source could tell."""
    if key[0] == "Patient":
        return key[1] in sharer.patients
    owner = rows.get(key)
    if owner is None:
        return None if sharer.live else False
    return not owner or owner in sharer.patients


def _nowhere(item: Item, place: str) -> Problem:
    return Problem(422, "business-rule", UNKNOWN, expression=f"{item.place}.resource:{place}")
