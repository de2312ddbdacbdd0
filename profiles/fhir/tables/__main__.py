"""Make the tables of base facts.

``python -m profiles.fhir.tables`` writes ``data/facts-*.json`` from the library and the corrections.
``python -m profiles.fhir.tables stu3 PACKAGE.tgz`` first writes the corrections anew from the official core package of
that release; review what changed before committing it.
"""

import sys
from pathlib import Path

from profiles.fhir.tables.corrections import corrected, differences
from profiles.fhir.tables.library import library_table
from profiles.fhir.tables.official import official_table
from profiles.fhir.tables.store import as_text, corrections_path, facts_path, read_corrections
from profiles.fhir.version import FhirVersion


def main(arguments: list[str]) -> int:
    """Write the tables; exit code 2 for wrong arguments."""
    if len(arguments) not in (0, 2):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    if arguments:
        version = FhirVersion.of(arguments[0])
        found = differences(library_table(version), official_table(Path(arguments[1])))
        corrections_path(version).write_text(as_text(found))
    for version in FhirVersion:
        facts_path(version).write_text(as_text(corrected(library_table(version), read_corrections(version))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
