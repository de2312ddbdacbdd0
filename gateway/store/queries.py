"""The selects of the read path, in the words of each database, so that there is one way to run them.

Every one starts at a person: their patients at a provider, then of these what is asked, by the index that begins with
provider, FHIR version and patient. A resource of somebody else cannot come out, whatever the type or id asked for, and
what a read costs depends on one record and not on how many people are in the store. No planner is trusted with that:
SQLite takes the tables in the order of a CROSS JOIN and by the index that is named; in PostgreSQL a LATERAL with
OFFSET 0 is run for each row that stands before it, and every condition in it is an equality.
"""

# ruff: noqa: S608 - the parts of these texts are our own

import re
from collections.abc import Mapping
from dataclasses import dataclass

from profiles.fhir.search.marks import BITS

FEW = 24
"""Up to so many resources of a type come with their bytes at once; of more, those of the matches are fetched after."""


@dataclass(frozen=True, slots=True)
class Hot:
    """A select in both languages. Parameters are written ``:name``."""

    sqlite: str
    postgresql: str

    @classmethod
    def of(cls, sqlite: str, postgresql: str) -> "Hot":
        """The texts as the drivers want them."""
        named = re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", postgresql)
        return cls(" ".join(sqlite.split()), " ".join(named.split()))


@dataclass(frozen=True, slots=True)
class Selects:
    """All selects on the record of one person, who is named in one way."""

    patients: Hot
    """Patient id, source, birth date and pseudonym of the patients that are this person."""
    by_type: Mapping[str, Hot]
    """By format (empty: without bytes): all resources of ``type`` in the record; without bytes when there are many."""
    by_marks: Mapping[str, Hot]
    """By format: with their bytes, those of ``type`` that have one of ``marks`` (profiles.fhir.search.marks).

    Also those without any, or with marks that were not made by ``tables``. The index tells: others cost nothing.
    """
    by_keys: Mapping[str, Hot]
    """By format: the person's own and shared resources by ``types`` and ``ids``, with type and bytes.

    Whether a shared one may be seen is for the caller to know: it is, when something of the person's points at it.
    """
    pointed_at: Hot
    """One row when a resource of the record points at ``type`` and ``id``."""
    pointing: Hot
    """The person's own resources that point at ``type`` and ``id``, without bytes, with their type."""
    targets: Hot
    """Type and id of everything that the record points at."""
    document: Hot
    """Size and digest of the content of a Binary by ``id``."""
    content: Hot
    """Piece ``number`` of it; none when the document was replaced, so that two versions are never mixed."""


ROW = "r.pk, r.id, r.source, r.patient_id, r.digest, r.search"
"""What is selected of a resource, before its bytes in the asked format."""

_PERSON = "p.person = :person AND p.provider || '' = :provider AND p.fhir || '' = :fhir"
"""With nothing that could be looked up but the person: no index on provider or version can be used."""

_PATIENT = "p.provider = :provider AND p.fhir = :fhir AND p.patient_id = :patient_id"
_NAMED = "r.type = json_extract(k.value, '$[0]') AND r.id = json_extract(k.value, '$[1]')"
_INDEX = "INDEXED BY ix_resource_record"


def _lateral(columns: str, tables: str, condition: str) -> str:
    """Rows that PostgreSQL finds per row of what stands before, and in no other way."""
    return f"CROSS JOIN LATERAL (SELECT {columns} FROM {tables} WHERE {condition} OFFSET 0)"


def _selects(mine: str) -> Selects:
    patients = f"SELECT p.patient_id, p.source, p.birth_date, p.person FROM patient AS p WHERE {mine}"
    of_patient = "r.provider = :provider AND r.fhir = :fhir AND r.patient_id = p.patient_id"
    own = f"FROM patient AS p CROSS JOIN resource AS r {_INDEX}"
    is_own = f"{mine} AND {of_patient}"
    any_of = f"FROM (SELECT p.patient_id FROM patient AS p WHERE {mine} UNION ALL SELECT '') AS p"

    def by_type(body: str) -> Hot:
        # Deleted ones count too, which does no harm: the index alone answers.
        of_type = f"{of_patient} AND r.type = :type"
        some = f"{of_type} AND NOT r.deleted"
        return Hot.of(
            f"""SELECT {ROW}, CASE WHEN (SELECT count(*) {own} WHERE {mine} AND {of_type}) <= {FEW} THEN {body} END
                {own} WHERE {mine} AND {some}""",
            f"""SELECT {ROW}, CASE WHEN (
                    SELECT count(*) FROM patient AS p {_lateral("1", "resource AS r", of_type)} AS r WHERE {mine}
                ) <= {FEW} THEN {body} END
                FROM patient AS p {_lateral("r.*", "resource AS r", some)} AS r WHERE {mine}""",
        )

    def by_marks(body: str) -> Hot:
        marked = f"(r.marks & :marks <> 0 OR r.marks >> {BITS} <> :tables OR r.marks IS NULL)"
        some = f"{of_patient} AND r.type = :type AND {marked} AND NOT r.deleted"
        return Hot.of(
            f"SELECT {ROW}, {body} {own} WHERE {mine} AND {some}",
            f"SELECT {ROW}, {body} FROM patient AS p {_lateral('r.*', 'resource AS r', some)} AS r WHERE {mine}",
        )

    def by_keys(body: str) -> Hot:
        named = f"{of_patient} AND r.type = k.type AND r.id = k.id AND NOT r.deleted"
        return Hot.of(
            f"""SELECT {ROW}, {body}, r.type {any_of} CROSS JOIN json_each(:keys) AS k
                CROSS JOIN resource AS r {_INDEX} WHERE {of_patient} AND {_NAMED} AND NOT r.deleted""",
            f"""SELECT {ROW}, {body}, r.type {any_of} CROSS JOIN unnest(:types::text[], :ids::text[]) AS k(type, id)
                {_lateral("r.*", "resource AS r", named)} AS r""",
        )

    linked = "l.resource_pk = r.pk"
    at = f"{linked} AND l.target_type = :type AND l.target_id = :id"
    binary = f"{of_patient} AND r.type = 'Binary' AND r.id = :id AND NOT r.deleted"
    document = "d.resource_pk = r.pk AND d.version = r.version"
    piece = "c.resource_pk = r.pk AND c.version = r.version AND c.number = :number"
    rows = _lateral("r.pk", "resource AS r", f"{of_patient} AND NOT r.deleted")
    binaries = _lateral("r.pk, r.version, r.digest", "resource AS r", binary)
    return Selects(
        Hot.of(patients, patients),
        {"json": by_type("r.json"), "xml": by_type("r.xml"), "": by_type("NULL")},
        {"json": by_marks("r.json"), "xml": by_marks("r.xml"), "": by_marks("NULL")},
        {"json": by_keys("r.json"), "xml": by_keys("r.xml"), "": by_keys("NULL")},
        Hot.of(
            f"SELECT 1 {own} CROSS JOIN link AS l WHERE {is_own} AND NOT r.deleted AND {at} LIMIT 1",
            f"SELECT 1 FROM patient AS p {rows} AS r {_lateral('1', 'link AS l', at)} AS l WHERE {mine} LIMIT 1",
        ),
        Hot.of(
            f"""SELECT {ROW}, NULL, r.type {own} CROSS JOIN link AS l WHERE {is_own} AND NOT r.deleted AND {at}""",
            f"""SELECT {ROW}, NULL, r.type FROM patient AS p
                {_lateral("r.*", "resource AS r", f"{of_patient} AND NOT r.deleted")} AS r
                {_lateral("1", "link AS l", at)} AS l WHERE {mine}""",
        ),
        Hot.of(
            f"""SELECT DISTINCT l.target_type, l.target_id {own} CROSS JOIN link AS l
                WHERE {is_own} AND NOT r.deleted AND {linked}""",
            f"""SELECT DISTINCT l.target_type, l.target_id FROM patient AS p {rows} AS r
                {_lateral("l.target_type, l.target_id", "link AS l", linked)} AS l WHERE {mine}""",
        ),
        Hot.of(
            f"""SELECT d.size, r.digest {any_of} CROSS JOIN resource AS r {_INDEX} CROSS JOIN document AS d
                WHERE {binary} AND {document}""",
            f"SELECT d.size, r.digest {any_of} {binaries} AS r {_lateral('d.size', 'document AS d', document)} AS d",
        ),
        Hot.of(
            f"""SELECT c.data {any_of} CROSS JOIN resource AS r {_INDEX} CROSS JOIN document_content AS c
                WHERE {binary} AND r.digest = :digest AND {piece}""",
            f"""SELECT c.data {any_of} {binaries} AS r {_lateral("c.data", "document_content AS c", piece)} AS c
                WHERE r.digest = :digest""",
        ),
    )


OF_PERSON = _selects(_PERSON)
"""By ``provider``, ``fhir`` and ``person``, a pseudonym."""

OF_PATIENT = _selects(_PATIENT)
"""By ``provider``, ``fhir`` and ``patient_id``: test tokens name a patient."""


def _bodies(body: str) -> Hot:
    columns = f"r.pk, r.digest, r.{body}"
    return Hot.of(
        f"SELECT {columns} FROM json_each(:keys) AS k CROSS JOIN resource AS r WHERE r.pk = k.value",
        f"""SELECT {columns} FROM unnest(:pks::bigint[]) AS k(pk)
            {_lateral(columns, "resource AS r", "r.pk = k.pk")} AS r""",
    )


BODIES = {"json": _bodies("json"), "xml": _bodies("xml")}
"""By format: the bytes of resources that a select on a person's record gave, by number, with their digest now."""

_SHARED = "r.provider = :provider AND r.fhir = :fhir AND r.patient_id = ''"
_TARGET = "l.target_type, l.target_id"

SHARED_TARGETS = Hot.of(
    f"""SELECT DISTINCT {_TARGET} FROM json_each(:keys) AS k CROSS JOIN resource AS r {_INDEX} CROSS JOIN link AS l
        WHERE {_SHARED} AND {_NAMED} AND NOT r.deleted AND l.resource_pk = r.pk""",
    f"""SELECT DISTINCT {_TARGET} FROM unnest(:types::text[], :ids::text[]) AS k(type, id)
        {_lateral("r.pk", "resource AS r", f"{_SHARED} AND r.type = k.type AND r.id = k.id AND NOT r.deleted")} AS r
        {_lateral(_TARGET, "link AS l", "l.resource_pk = r.pk")} AS l""",
)
"""What the shared resources with these ``types`` and ``ids`` point at: the next step away from a record."""
