"""The official BgZ scripts when the records stand in a relational EHR behind the mapping of the sql adapter.

The EHR is the sample, brought to the numbers of records that the scripts count: their checks are
about numbers, profiles, categories, references and validity, not about the values of one record.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from databases import database
from qualifying import PROVIDER, complaint, run_scripts, today
from servers import serving
from shared import shared

from adapters.sql import sample
from gateway.intake.sink import StoreSink
from gateway.qualify.files import open_files
from gateway.qualify.loadset import load_set, token_table
from gateway.qualify.results import Status
from gateway.settings import ProviderSettings
from gateway.store.engine import open_engine

PATIENTS = {"1001": "medmij-bgz-test-patA", "1002": "medmij-bgz-test-patB"}

SAME_NUMBERS = """
insert into insurance values ('v3', '1001', 'verz', 'B', '990012347', '2025-01-01', '2025-12-31');
delete from functional_status where status_id = 'stemming';
insert into social_history values ('roken-nu', '1001', 'ROOK', 'EX', '2018', '2019', '5', null);
delete from alert where alert_id = 'latex';
delete from allergy_reaction where allergy_id = 'noten';
delete from allergy where allergy_id = 'noten';
update prescription set dispenser_id = 'apotheker', agreed_at = '2024-03-01 12:00:00'
  where prescription_id = 'ma-tiotropium';
insert into medication_use values ('gebruik-tiotropium', '1001', 'ma-tiotropium', 'tiotropium', 'mbh-2', 'A',
  '2026-11-10 10:15:00', '2024-03-02 08:00:00', null, 'J', '1 maal per dag 1 inhalatie');
insert into vaccination values
  ('pneumokokken', '1001', 'J07AL01', 'Pneumokokkenvaccin', '2026-02-22', 'G', 'huisarts', null);
insert into lab_result values
  ('natrium', '1001', 'bloed1', '2951-2', 'Natrium', '140', 'mmol/l', 'mmol/L', '135', '145', null, 'D',
  '2026-11-10 08:15:00', null);
insert into admission values
  ('galblaas', '1001', 'K', 'G', '2023-02-20 08:00:00', '2023-02-21 11:00:00', 'longarts', 'Galblaas',
  'THUIS', 'THUIS');
insert into admission values
  ('observatie', '1001', 'K', 'G', '2022-05-02 18:00:00', '2022-05-03 10:00:00', 'longarts', 'Observatie',
  'THUIS', 'THUIS');
delete from problem where patient_id = '1002';
delete from measurement where patient_id = '1002';
delete from admission where patient_id = '1002';
"""

INSURER_KNOWN = {"medmij-bgz-test-xis-2-03-json", "medmij-bgz-test-xis-2-03-xml"}
"""The one difference: patient B of the set has a policy without an insurer, which this EHR cannot have."""


def ehr(file: Path) -> str:
    """The sample EHR with the patients and numbers of the set."""
    url = sample.fill_sqlite(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(SAME_NUMBERS)
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            if any(column[1] == "patient_id" for column in connection.execute(f"pragma table_info({table})")):
                for ours, theirs in PATIENTS.items():
                    connection.execute(f"update {table} set patient_id = ? where patient_id = ?", (theirs, ours))
        connection.commit()
    return url


def test_the_bgz_scripts_pass_over_the_sql_adapter(official_packages: None, tmp_path: Path) -> None:
    folder = shared("qualification", "STU3/BgZ-3-0/MedMij/Test")
    files, start = open_files(folder)
    loaded = load_set(files, start, token_table(files, folder), today())
    source = {"type": "sql", "name": "epd", "url": ehr(tmp_path / "epd.db"), "mapping": str(sample.MAPPING)}
    given = ProviderSettings(display_name="Ziekenhuis Zandoord", services=("48",), sources=(source,))
    with database("sqlite", tmp_path) as url, serving(url, world=False, providers={PROVIDER: given}) as server:
        engine = open_engine(url)
        StoreSink(engine, server.settings, loaded.bsn).tokens(loaded.tokens(PROVIDER, ["48"]))
        engine.dispose()
        scripts = run_scripts(server, files, start, "48", ["XIS-Server"])
    assert len(scripts) == 104
    bad = {script.id: complaint(script) for script in scripts if script.status is not Status.PASSED}
    assert [text for name, text in bad.items() if name not in INSURER_KNOWN] == []
    assert set(bad) == INSURER_KNOWN
