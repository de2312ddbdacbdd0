"""The selects of the read path, in the words of each database, so that there is one way to run them.

Every one starts at a person: their patients at a provider, then of these what is asked, by the index that begins with
provider, FHIR version and patient. A resource of somebody else cannot come out, whatever the type or id asked for, and
what a read costs depends on one record and not on how many people are in the store. No planner is trusted with that:
SQLite takes the tables in the order of a CROSS JOIN and by the index that is named; PostgreSQL finds the patients in an
ARRAY that is made first, and OFFSET 0 keeps what hangs on a row from being taken before it.
"""

# ruff: noqa: S608 - the parts of these texts are our own

import re
from collections.abc import Mapping
from dataclasses import dataclass

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
    by_keys: Mapping[str, Hot]
    """By format: the person's own and shared resources by ``types`` and ``ids``, with type and bytes.

    Whether a shared one may be seen is for the caller to know: it is, when something of the person's points at it.
    """
    pointed_at: Hot
    """One row when a resource of the record points at ``type`` and ``id``."""
    targets: Hot
    """Type and id of everything that the record points at."""
    document: Hot
    """Size and digest of the content of a Binary by ``id``."""
    content: Hot
    """Piece ``number`` of it; none when the document was replaced, so that two versions are never mixed."""


ROW = "r.pk, r.id, r.source, r.patient_id, r.digest, r.search"
"""What is selected of a resource, before its bytes in the asked format."""

_PERSON = ("p.person = :person", "INDEXED BY ix_patient_provider_person_fhir")
_PATIENT = ("p.patient_id = :patient_id", "")
_NAMED = "r.type = json_extract(k.value, '$[0]') AND r.id = json_extract(k.value, '$[1]')"
_INDEX = "INDEXED BY ix_resource_provider_fhir_patient_id_type_id"


def _selects(condition: str, index: str) -> Selects:
    mine = f"p.provider = :provider AND p.fhir = :fhir AND {condition}"
    patients = f"SELECT p.patient_id, p.source, p.birth_date, p.person FROM patient AS p {{}} WHERE {mine}"
    rows = "r.provider = :provider AND r.fhir = :fhir"
    one = f"patient AS p {index} CROSS JOIN resource AS r {_INDEX}"
    own = f"{mine} AND {rows} AND r.patient_id = p.patient_id"
    ids = f"SELECT p.patient_id FROM patient AS p WHERE {mine}"
    array = f"{rows} AND r.patient_id = ANY (ARRAY({ids}))"
    or_shared = f"(SELECT p.patient_id FROM patient AS p {index} WHERE {mine} UNION ALL SELECT '') AS p"
    array_or_shared = f"{rows} AND r.patient_id = ANY (ARRAY({ids} UNION ALL SELECT ''))"

    def by_type(body: str) -> Hot:
        # Deleted ones count too, which does no harm: the index alone answers.
        return Hot.of(
            f"""SELECT {ROW}, CASE WHEN (SELECT count(*) FROM {one} WHERE {own} AND r.type = :type) <= {FEW}
                THEN {body} END FROM {one} WHERE {own} AND r.type = :type AND NOT r.deleted""",
            f"""SELECT {ROW}, CASE WHEN (SELECT count(*) FROM resource AS r WHERE {array} AND r.type = :type) <= {FEW}
                THEN {body} END FROM resource AS r WHERE {array} AND r.type = :type AND NOT r.deleted""",
        )

    def by_keys(body: str) -> Hot:
        return Hot.of(
            f"""SELECT {ROW}, {body}, r.type FROM {or_shared} CROSS JOIN json_each(:keys) AS k
                CROSS JOIN resource AS r {_INDEX} WHERE {rows} AND r.patient_id = p.patient_id
                AND {_NAMED} AND NOT r.deleted""",
            f"""SELECT r.* FROM unnest(:types::text[], :ids::text[]) AS k(type, id) CROSS JOIN LATERAL (
                SELECT {ROW}, {body}, r.type FROM resource AS r WHERE {array_or_shared}
                AND r.type = k.type AND r.id = k.id AND NOT r.deleted OFFSET 0) AS r""",
        )

    binary = "r.type = 'Binary' AND r.id = :id AND NOT r.deleted"
    from_shared = f"{or_shared} CROSS JOIN resource AS r {_INDEX}"
    piece = "c.resource_pk = r.pk AND c.version = r.version AND c.number = :number"
    return Selects(
        Hot.of(patients.format(index), patients.format("")),
        {"json": by_type("r.json"), "xml": by_type("r.xml"), "": by_type("NULL")},
        {"json": by_keys("r.json"), "xml": by_keys("r.xml"), "": by_keys("NULL")},
        Hot.of(
            f"""SELECT 1 FROM {one} CROSS JOIN link AS l WHERE {own} AND NOT r.deleted
                AND l.resource_pk = r.pk AND l.target_type = :type AND l.target_id = :id LIMIT 1""",
            f"""SELECT 1 FROM resource AS r CROSS JOIN LATERAL (SELECT 1 FROM link AS l
                WHERE l.resource_pk = r.pk AND l.target_type = :type AND l.target_id = :id OFFSET 0) AS l
                WHERE {array} AND NOT r.deleted LIMIT 1""",
        ),
        Hot.of(
            f"""SELECT DISTINCT l.target_type, l.target_id FROM {one} CROSS JOIN link AS l
                WHERE {own} AND NOT r.deleted AND l.resource_pk = r.pk""",
            f"""SELECT DISTINCT l.target_type, l.target_id FROM resource AS r CROSS JOIN LATERAL (
                SELECT l.target_type, l.target_id FROM link AS l WHERE l.resource_pk = r.pk OFFSET 0) AS l
                WHERE {array} AND NOT r.deleted""",
        ),
        Hot.of(
            f"""SELECT d.size, r.digest FROM {from_shared} CROSS JOIN document AS d WHERE {rows}
                AND r.patient_id = p.patient_id AND {binary} AND d.resource_pk = r.pk AND d.version = r.version""",
            f"""SELECT d.size, r.digest FROM resource AS r CROSS JOIN LATERAL (SELECT d.size FROM document AS d
                WHERE d.resource_pk = r.pk AND d.version = r.version OFFSET 0) AS d
                WHERE {array_or_shared} AND {binary}""",
        ),
        Hot.of(
            f"""SELECT c.data FROM {from_shared} CROSS JOIN document_content AS c WHERE {rows}
                AND r.patient_id = p.patient_id AND {binary} AND r.digest = :digest AND {piece}""",
            f"""SELECT c.data FROM resource AS r CROSS JOIN LATERAL (SELECT c.data FROM document_content AS c
                WHERE {piece} OFFSET 0) AS c WHERE {array_or_shared} AND {binary} AND r.digest = :digest""",
        ),
    )


OF_PERSON = _selects(*_PERSON)
"""By ``provider``, ``fhir`` and ``person``, a pseudonym."""

OF_PATIENT = _selects(*_PATIENT)
"""By ``provider``, ``fhir`` and ``patient_id``: test tokens name a patient."""


def _bodies(body: str) -> Hot:
    return Hot.of(
        f"""SELECT r.pk, r.digest, r.{body} FROM json_each(:keys) AS k CROSS JOIN resource AS r
            WHERE r.pk = k.value""",
        f"""SELECT r.pk, r.digest, r.{body} FROM unnest(:pks::bigint[]) AS k(pk) CROSS JOIN LATERAL (
            SELECT r.pk, r.digest, r.{body} FROM resource AS r WHERE r.pk = k.pk OFFSET 0) AS r""",
    )


BODIES = {"json": _bodies("json"), "xml": _bodies("xml")}
"""By format: the bytes of resources that a select on a person's record gave, by number, with their digest now."""

SHARED_TARGETS = Hot.of(
    f"""SELECT DISTINCT l.target_type, l.target_id FROM json_each(:keys) AS k CROSS JOIN resource AS r {_INDEX}
        CROSS JOIN link AS l WHERE r.provider = :provider AND r.fhir = :fhir AND r.patient_id = ''
        AND {_NAMED} AND NOT r.deleted AND l.resource_pk = r.pk""",
    """SELECT DISTINCT r.target_type, r.target_id FROM unnest(:types::text[], :ids::text[]) AS k(type, id)
        CROSS JOIN LATERAL (SELECT l.target_type, l.target_id FROM resource AS r CROSS JOIN LATERAL (
        SELECT l.target_type, l.target_id FROM link AS l WHERE l.resource_pk = r.pk OFFSET 0) AS l
        WHERE r.provider = :provider AND r.fhir = :fhir AND r.patient_id = '' AND r.type = k.type AND r.id = k.id
        AND NOT r.deleted OFFSET 0) AS r""",
)
"""What the shared resources with these ``types`` and ``ids`` point at: the next step away from a record."""
