"""Patients and organisations."""

from collections.abc import Callable, Mapping

from profiles.conversion.datatypes import qualified
from profiles.conversion.paths import listed
from profiles.conversion.special.linked import with_role
from profiles.conversion.work import Work


def patient(work: Work) -> None:
    """A general practitioner stands as a PractitionerRole; a contact has one name of use official."""
    rows = [one for one in listed(work.resource.get("generalPractitioner")) if isinstance(one, dict)]
    if rows:
        work.resource["generalPractitioner"] = [with_role(one, work) for one in rows]
    for contact in listed(work.resource.get("contact")):
        name = contact.get("name")
        if isinstance(name, dict):
            contact["name"] = qualified({"use": "official", **name})


def organization(work: Work) -> None:
    """R4 knows no home of an organisation; what kind of address it is stands in the extension of the zib."""
    for row in listed(work.resource.get("address")):
        if row.get("use") == "home":
            del row["use"]
            if not row.get("extension"):
                work.lose("unmapped", "", "Organization.address.use", "home")


CHANGES: Mapping[str, Callable[[Work], None]] = {"organization": organization, "patient": patient}
