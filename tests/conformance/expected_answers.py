"""What a search should find in a record, computed again and as simply as can be: no line is shared with the gateway.

Each parameter has a list of places (element paths; ``extension(x)`` is an extension whose url ends in x), and a way to
compare. Only what spec/datasets.yaml asks is here; anything else is a KeyError, so that a new row needs a new line.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Resource = dict[str, Any]
Key = tuple[str, str]

TOKENS = {
    "category": ["category"],
    "code": ["code"],
    "status": ["status"],
    "class": ["class"],
    "type": ["type"],
}
IDENTIFIERS = {
    "identifier": ["identifier"],
    "medicationtreatment": ["extension(zib-Medication-MedicationTreatment).valueIdentifier"],
    "pharmaceutical-treatment-identifier": ["extension(ext-PharmaceuticalTreatment.Identifier).valueIdentifier"],
}
DATES = {
    "date": ["effectiveDateTime", "effectivePeriod", "start"],
    "indexed": ["indexed"],
    "created": ["created"],
    "periodofuse": ["extension(zib-Medication-PeriodOfUse).valuePeriod"],
    "period-of-use": ["extension(ext-TimeInterval.Period).valuePeriod", "effectivePeriod"],
    "requestdate": ["extension(zib-Dispense-RequestDate).valueDateTime"],
    "whenhandedover": ["whenHandedOver"],
    "effective-time": ["effectiveDateTime", "effectivePeriod"],
}
INCLUDES = {
    "Patient:general-practitioner": ["generalPractitioner"],
    "Coverage:payor": ["payor"],
    "MedicationStatement:medication": ["medicationReference"],
    "MedicationRequest:medication": ["medicationReference"],
    "MedicationDispense:medication": ["medicationReference"],
    "MedicationAdministration:medication": ["medicationReference"],
    "MedicationRequest:requester": ["requester"],
    "MedicationRequest:reason": ["reasonReference"],
    "MedicationRequest:next-practitioner": ["extension(ext-MedicationAgreement.NextPractitioner).valueReference"],
    "MedicationRequest:dispense-location": [
        "dispenseRequest.extension(ext-DispenseRequest.DispenseLocation).valueReference"
    ],
    "MedicationRequest:subject": ["subject"],
    "MedicationStatement:subject": ["subject"],
    "MedicationStatement:author": ["extension(ext-MedicationUse2.Author).valueReference"],
    "MedicationStatement:prescriber": ["extension(ext-MedicationUse2.Prescriber).valueReference"],
    "MedicationStatement:source": ["informationSource"],
    "MedicationDispense:subject": ["subject"],
    "MedicationDispense:patient": ["subject"],
    "MedicationDispense:performer": ["performer.actor"],
    "MedicationDispense:destination": ["destination"],
    "MedicationAdministration:subject": ["subject"],
    "MedicationAdministration:performer": ["performer.actor"],
    "PractitionerRole:organization": ["organization"],
    "PractitionerRole:practitioner": ["practitioner"],
    "PractitionerRole:location": ["location"],
    "DeviceUseStatement:device": ["device"],
    "DeviceRequest:device": ["codeReference"],
    "Observation:related-target": ["related.target"],
    "Observation:specimen": ["specimen"],
    "EpisodeOfCare:organization": ["managingOrganization"],
    "EpisodeOfCare:care-manager": ["careManager"],
    "Encounter:practitioner": ["participant.individual"],
    "Procedure:performer": ["performer.actor"],
    "Procedure:based-on": ["basedOn"],
    "CareTeam:participant": ["participant.member"],
    "CarePlan:activity-goal": ["activity.detail.goal"],
    "CarePlan:activity-outcomereference": ["activity.outcomeReference"],
    "CarePlan:activity-medicaldevice": ["activity.detail.extension(extension-medicaldevice).valueReference"],
    "Immunization:patient": ["patient"],
    "Immunization:performer": ["performer.actor"],
    "Immunization:location": ["location"],
}
BROUGHT = {
    ("medmij-core-r4", "treatmentObjective"): (
        "DeviceUseStatement",
        "extension(resource-pertainsToGoal).valueReference",
    ),
    ("medmij-core-stu3", "respiration"): (
        "DeviceUseStatement",
        "extension(deviceUseStatement-reasonReferenceSTU3).valueReference",
    ),
}
"""What points at a match and comes with it unasked, and its device with it."""
PERSON = ("patient.identifier", "beneficiary.identifier", "identifier")
TARGETS = {"Encounter:practitioner": {"Practitioner"}}
"""Where core FHIR lets a parameter point at fewer types than its element holds."""


def at(node: Any, path: str) -> Iterator[Any]:
    """Everything at a path, lists taken apart."""
    head, _, rest = _step(path)
    for item in node if isinstance(node, list) else [node]:
        if not isinstance(item, dict):
            continue
        if head.startswith("extension("):
            ends = head[len("extension(") : -1]
            found: Any = [one for one in item.get("extension", []) if one.get("url", "").endswith("/" + ends)]
        else:
            found = item.get(head, [])
        for one in found if isinstance(found, list) else [found]:
            yield from at(one, rest) if rest else [one]


def _step(path: str) -> tuple[str, str, str]:
    if path.startswith("extension("):
        end = path.index(")") + 1
        return path[:end], ".", path[end + 1 :]
    return path.partition(".")


def everywhere(resource: Resource, paths: Iterable[str]) -> list[Any]:
    return [value for path in paths for value in at(resource, path)]


def key_of(reference: Any) -> Key | None:
    text = reference.get("reference") if isinstance(reference, dict) else None
    parts = str(text).split("/") if text else []
    return (parts[-2], parts[-1]) if len(parts) >= 2 and not str(text).startswith("#") else None


def codes(value: Any) -> list[tuple[str, str]]:
    """System and code of a code, Coding or CodeableConcept."""
    if isinstance(value, str):
        return [("", value)]
    if isinstance(value, dict):
        own = [(value.get("system", ""), value["code"])] if "code" in value else []
        return own + [(one.get("system", ""), one.get("code", "")) for one in value.get("coding", [])]
    return []


def has_code(values: list[Any], wanted: str) -> bool:
    """Whether a token matches: ``a|b``, ``b``, ``a|``, several with commas."""
    found = [pair for value in values for pair in codes(value)]
    for one in wanted.split(","):
        system, bar, code = one.partition("|")
        if not bar and any(pair[1] == one for pair in found):
            return True
        if bar and any(pair[0] == system and code in ("", pair[1]) for pair in found):
            return True
    return False


def day_matches(values: list[Any], wanted: str) -> bool:
    """Whether a day or period matches ``ge``, ``le``, ``gt`` or ``lt`` a day; an open end lies in the future."""
    prefix, day = wanted[:2], wanted[2:]
    for value in values:
        first = value.get("start", "0001") if isinstance(value, dict) else value
        last = value.get("end", "9999") if isinstance(value, dict) else value
        # Days are compared as they are written: the world and the question are both in Dutch time.
        first, last = first[:10], last[:10]
        if {"ge": last >= day, "gt": last > day, "le": first <= day, "lt": first < day}[prefix]:
            return True
    return False


def moment(resource: Resource) -> str:
    """When an observation was made, for ordering; periods by their end."""
    for value in everywhere(resource, DATES["date"]):
        return str(value.get("end") or value.get("start") if isinstance(value, dict) else value)
    return ""


class Record:
    """The resources that a person may see at a provider, and what a query finds in them."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.by_key: dict[Key, Resource] = {(one["resourceType"], one["id"]): one for one in resources}

    def matches(self, type_: str, operation: str, query: list[tuple[str, str]]) -> list[Resource]:
        """The matching resources, before includes."""
        found = [one for (kind, _), one in self.by_key.items() if kind == type_]
        for name, value in query:
            test = self._test(type_, name, value)
            found = [one for one in found if test(one)]
        if operation == "lastn" or ("_count", "1") in query:
            groups: dict[Any, Resource] = {}
            for one in sorted(found, key=moment):
                if one.get("status") != "entered-in-error" or operation != "lastn":
                    groups[operation and codes(one.get("code"))[0]] = one
            found = list(groups.values())
        return found

    def brought(self, row: Key, matches: list[Resource]) -> set[Key]:
        """What comes along without being asked."""
        if row not in BROUGHT:
            return set()
        kind, place = BROUGHT[row]
        mine = {(one["resourceType"], one["id"]) for one in matches}
        pointing = [
            key
            for key, one in self.by_key.items()
            if key[0] == kind and any(key_of(reference) in mine for reference in at(one, place))
        ]
        devices = {key_of(self.by_key[key].get("device")) for key in pointing}
        return {*pointing, *(key for key in devices if key in self.by_key)}

    def included(self, matches: list[Resource], query: list[tuple[str, str]]) -> set[Key]:
        """What includes bring along; ``recurse`` and ``iterate`` go on from what was brought."""
        mine = {(one["resourceType"], one["id"]) for one in matches}
        found: set[Key] = set()
        while True:
            more: set[Key] = set()
            for name, value in query:
                if name.split(":")[0] != "_include":
                    continue
                parts = value.split(":")
                source = mine | found if ":" in name else mine
                for key in source:
                    if key[0] != parts[0]:
                        continue
                    which = ":".join(parts[:2])
                    for reference in everywhere(self.by_key[key], INCLUDES[which]):
                        target = key_of(reference)
                        allowed = {parts[2]} if len(parts) > 2 else TARGETS.get(which)
                        if target in self.by_key and (not allowed or target[0] in allowed):
                            more.add(target)
            more -= mine | found
            if not more:
                return found
            found |= more

    def _test(self, type_: str, name: str, value: str) -> Callable[[Resource], bool]:
        if name.split(":", maxsplit=1)[0] in ("_include", "_revinclude") or name in ("_sort", "_count"):
            return lambda _one: True
        if name in PERSON and "/bsn|" in value:
            return lambda _one: True
        if name in DATES:
            return lambda one: day_matches(everywhere(one, DATES[name]), value)
        if name in IDENTIFIERS:
            wanted = value.split("|")
            return lambda one: any(
                [item.get("system"), item.get("value")] == wanted for item in everywhere(one, IDENTIFIERS[name])
            )
        if name in TOKENS:
            return lambda one: has_code(everywhere(one, TOKENS[name]), value)
        return self._linked(name, value)

    def _linked(self, name: str, value: str) -> Callable[[Resource], bool]:
        wanted = {part.split("/")[-1] for part in value.split(",")}

        def episodes(one: Resource) -> set[str]:
            return {key[1] for key in map(key_of, everywhere(one, ["episodeOfCare"])) if key}

        def context(one: Resource) -> Key | None:
            return key_of(one.get("context"))

        def visit(one: Resource) -> Mapping[str, Any]:
            key = context(one)
            return self.by_key.get(key, {}) if key and key[0] == "Encounter" else {}

        def medicine(one: Resource) -> Mapping[str, Any]:
            key = key_of(one.get("medicationReference"))
            return self.by_key.get(key, {}) if key else {}

        tests: dict[str, Callable[[Resource], bool]] = {
            "episodeofcare": lambda one: bool(episodes(one) & wanted),
            "context": lambda one: (key := context(one)) is not None and key[0] == "EpisodeOfCare" and key[1] in wanted,
            "context:Encounter.episodeofcare": lambda one: bool(episodes(dict(visit(one))) & wanted),
            "medication.code": lambda one: has_code([medicine(one).get("code")], value),
        }
        return tests[name]
