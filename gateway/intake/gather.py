"""The statements of the index of an import (:mod:`gateway.intake.index`): its rows, and what follows from them.

``mask`` holds the releases of a resource as bits (1: STU3, 2: R4). A ``copy`` is a resource in one release; ``grp`` is
the patient with whose record it goes: empty for what is shared, beginning with ? where no patient is known.
"""

# ruff: noqa: S608 - every statement is put together from constants of this module

TABLES = (
    "CREATE TABLE file (pk INTEGER PRIMARY KEY, folder TEXT, name TEXT)",
    "CREATE TABLE item (pk INTEGER PRIMARY KEY, type TEXT, id TEXT, origin TEXT, file INT, start INT, length INT,"
    " format TEXT, digest BLOB, mask INT, told INT, tied INT, whose TEXT, kind TEXT, ctype TEXT, cid TEXT, rank INT,"
    " urls BLOB, sealed BLOB, raw BLOB)",
    "CREATE TABLE link (item INT, type TEXT, id TEXT)",
    "CREATE TABLE stored (type TEXT, id TEXT, mask INT)",
)
ADD_ITEM = (
    "INSERT INTO item (type, id, origin, file, start, length, format, digest, mask, told, tied, whose, kind, ctype,"
    " cid, rank, urls, sealed, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INDEXES = (
    "CREATE INDEX link_item ON link (item)",
    "CREATE INDEX link_target ON link (type, id)",
    "CREATE INDEX item_key ON item (type, id)",
    "CREATE INDEX item_untold ON item (pk) WHERE NOT told",
)

# --- in which release ----------------------------------------------------------------------------------------------

_BITS = "max({0} & 1) | max({0} & 2)"
_ONE = "UPDATE item SET mask = n.mask, told = 1 FROM ({found}) n WHERE NOT item.told AND n.mask IN (1, 2) AND {on}"
_FILE = _ONE.format(
    found=f"SELECT file, {_BITS.format('mask')} AS mask FROM item WHERE told GROUP BY file", on="n.file = item.file"
)
_FOLDER = _ONE.format(
    found=f"SELECT f.folder, {_BITS.format('i.mask')} AS mask FROM item i JOIN file f ON f.pk = i.file WHERE i.told"
    " GROUP BY f.folder",
    on="n.folder = (SELECT folder FROM file WHERE pk = item.file)",
)
_WHOLE = _ONE.format(found=f"SELECT {_BITS.format('mask')} AS mask FROM item WHERE told", on="true")


def _linked(extra: str) -> str:
    """What is pointed at by, or points at, something whose release is told."""
    join = "JOIN file fu ON fu.pk = u.file JOIN file ft ON ft.pk = t.file"
    return (
        f"UPDATE item SET mask = n.mask, told = 1 FROM (SELECT pk, {_BITS.format('m')} AS mask FROM ("
        "SELECT u.pk AS pk, t.mask AS m FROM item u JOIN link l ON l.type = u.type AND l.id = u.id"
        f" JOIN item t ON t.pk = l.item {join} WHERE NOT u.told AND t.told {extra} UNION ALL "
        "SELECT u.pk, t.mask FROM item u JOIN link l ON l.item = u.pk"
        f" JOIN item t ON t.type = l.type AND t.id = l.id {join} WHERE NOT u.told AND t.told {extra}"
        ") GROUP BY pk) n WHERE n.pk = item.pk"
    )


RELEASES = (_FILE, _linked("AND ft.folder = fu.folder"), _FOLDER, _linked(""), _WHOLE)
"""Each is done until nothing changes, then the next."""
SERVED = "UPDATE item SET mask = ?, told = 1 WHERE NOT told"
_KNOWN = (
    "FROM (SELECT type, id, sum(mask) AS mask FROM stored GROUP BY type, id) s"
    " WHERE s.type = item.type AND s.id = item.id"
)
STORED_ONLY = f"UPDATE item SET mask = s.mask, told = 1 {_KNOWN} AND NOT item.told"
STORED_TOO = f"UPDATE item SET mask = item.mask | s.mask {_KNOWN} AND item.tied"

# --- what is said twice --------------------------------------------------------------------------------------------

COPIES = (
    "CREATE TABLE copy (pk INTEGER PRIMARY KEY, item INT, release INT, type TEXT, id TEXT, digest BLOB, whose TEXT,"
    " kind TEXT, ctype TEXT, cid TEXT, rank INT, grp TEXT, found INT DEFAULT 0, state TEXT DEFAULT '')",
    "INSERT INTO copy (item, release, type, id, digest, whose, kind, ctype, cid, rank)"
    " SELECT pk, bit, type, id, digest, whose, kind, ctype, cid, rank"
    " FROM item JOIN (SELECT 1 AS bit UNION ALL SELECT 2) b ON mask & b.bit ORDER BY pk, bit",
    "CREATE INDEX copy_key ON copy (type, id, release)",
    "CREATE INDEX copy_item ON copy (item)",
    "UPDATE copy SET state = 'differs' FROM (SELECT type, id, release FROM copy GROUP BY type, id, release"
    " HAVING min(digest) <> max(digest)) d"
    " WHERE (copy.type, copy.id, copy.release) = (d.type, d.id, d.release)",
    "UPDATE copy SET state = 'again' FROM (SELECT type, id, release, min(pk) AS first FROM copy WHERE state = ''"
    " GROUP BY type, id, release HAVING count(*) > 1) d"
    " WHERE (copy.type, copy.id, copy.release) = (d.type, d.id, d.release) AND copy.pk <> d.first AND state = ''",
)
STATES = (
    "SELECT i.origin, i.type, i.id, c.state FROM (SELECT DISTINCT item, state FROM copy WHERE state <> '') c"
    " JOIN item i ON i.pk = c.item ORDER BY c.item"
)

# --- what belongs together -----------------------------------------------------------------------------------------

_CONTEXT = (
    "UPDATE copy SET grp = t.grp FROM copy t WHERE copy.ctype = '{0}' AND copy.state = '' AND t.state = ''"
    " AND (t.type, t.id, t.release) = (copy.ctype, copy.cid, copy.release) AND t.grp <> ''"
    # A person with a number has a record of their own, whoever's episode it was: the walk must see that person too.
    " AND NOT EXISTS (SELECT 1 FROM copy p WHERE p.type = 'Patient' AND p.id = copy.whose"
    " AND p.release = copy.release AND p.kind = 'numbered')"
)
GROUPS = (
    "UPDATE copy SET grp = whose WHERE whose <> ''",
    "UPDATE copy SET grp = '' WHERE whose = '' AND kind = 'shared'",
    _CONTEXT.format("EpisodeOfCare"),
    _CONTEXT.format("Encounter"),
    "CREATE INDEX copy_open ON copy (pk) WHERE grp IS NULL AND state = ''",
)


def _near(of: str, other: str) -> str:
    """The groups of what points at a copy, and of what it points at."""
    return (
        "SELECT u.pk AS pk, t.grp AS grp FROM copy u JOIN link l ON l.type = u.type AND l.id = u.id"
        f" JOIN copy t ON t.item = l.item AND t.release = u.release WHERE {of} AND {other} AND t.state = '' UNION ALL "
        "SELECT u.pk, t.grp FROM copy u JOIN link l ON l.item = u.item"
        " JOIN copy t ON (t.type, t.id, t.release) = (l.type, l.id, u.release)"
        f" WHERE {of} AND {other} AND t.state = '' AND u.kind <> 'companion'"
    )


SPREAD = (
    "UPDATE copy SET found = 1, grp = CASE WHEN n.low = n.high THEN n.low WHEN kind = 'companion' THEN '' ELSE grp END,"
    " state = CASE WHEN n.low = n.high OR kind = 'companion' THEN '' ELSE 'many' END"
    " FROM (SELECT pk, min(grp) AS low, max(grp) AS high FROM ("
    + _near("u.grp IS NULL AND u.state = '' AND u.kind IN ('follows', 'companion')", "t.grp <> ''")
    + ") GROUP BY pk) n WHERE n.pk = copy.pk"
)
OPEN = (
    "UPDATE copy SET grp = '' WHERE grp IS NULL AND kind = 'companion'",
    "UPDATE copy SET grp = '?' || printf('%012d', pk) WHERE grp IS NULL AND state = ''",
)
TOGETHER = (
    "UPDATE copy SET grp = n.low FROM (SELECT pk, min(grp) AS low FROM ("
    + _near("u.grp >= '?' AND u.grp < '@' AND u.state = ''", "t.grp >= '?' AND t.grp < '@'")
    + ") GROUP BY pk) n WHERE n.pk = copy.pk AND n.low < copy.grp"
)

# --- in which order ------------------------------------------------------------------------------------------------

ORDER = (
    "CREATE TABLE turn (pk INTEGER PRIMARY KEY, copy INT)",
    "INSERT INTO turn (copy) SELECT c.pk FROM copy c JOIN (SELECT release, grp, min(pk) AS first FROM copy"
    " WHERE state = '' GROUP BY release, grp) g ON g.release = c.release AND g.grp = c.grp WHERE c.state = ''"
    " ORDER BY c.release, c.grp <> '', c.grp >= '?' AND c.grp < '@', g.first, c.found, c.rank, c.pk",
)
NEXT = (
    "SELECT c.type, c.id, c.release, i.origin, f.folder, f.name, i.start, i.length, i.format, i.raw, i.urls, i.sealed,"
    " c.grp, c.found, i.mask = 3 AND c.release = 2, c.ctype IS NOT NULL AND EXISTS (SELECT 1 FROM copy p"
    " WHERE p.type = 'Patient' AND p.id = c.whose AND p.release = c.release AND p.kind = 'numbered') FROM turn t"
    " JOIN copy c ON c.pk = t.copy JOIN item i ON i.pk = c.item"
    " JOIN file f ON f.pk = i.file ORDER BY t.pk"
)
"""What is shared comes first, then person after person, then what nobody is known of: perhaps the store knows."""
