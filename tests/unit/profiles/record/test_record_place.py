"""Finding the patient of each resource: through its own references, through others', or not at all."""

from profiles.fhir.tree import Resource
from profiles.record.place import place

ANNA, BERT = {"resourceType": "Patient", "id": "anna"}, {"resourceType": "Patient", "id": "bert"}


def resource(type_: str, id_: str, **elements: object) -> Resource:
    return {"resourceType": type_, "id": id_, **elements}


def to(target: str) -> dict[str, str]:
    return {"reference": target}


def test_a_resource_goes_with_its_subject_even_when_it_names_others() -> None:
    condition = resource("Condition", "c", subject=to("Patient/anna"), asserter=to("Patient/bert"))
    assert place([ANNA, BERT, condition]).patients[("Condition", "c")] == "anna"


def test_a_body_site_and_an_episode_follow_what_points_at_them_or_what_they_point_at() -> None:
    procedure = resource(
        "Procedure", "p", subject=to("Patient/anna"), bodySite=[{"extension": [{"valueReference": to("BodySite/b")}]}]
    )
    site = resource("BodySite", "b")
    report = resource("DiagnosticReport", "d", context=to("EpisodeOfCare/e"))
    episode = resource("EpisodeOfCare", "e", patient=to("Patient/anna"))
    placed = place([ANNA, procedure, site, report, episode]).patients
    assert placed[("BodySite", "b")] == "anna"
    assert placed[("DiagnosticReport", "d")] == "anna"


def test_a_pdf_goes_with_the_document_that_points_at_it() -> None:
    document = resource(
        "DocumentReference", "d", subject=to("Patient/anna"), content=[{"attachment": {"url": "Binary/pdf"}}]
    )
    assert place([ANNA, document, resource("Binary", "pdf")]).patients[("Binary", "pdf")] == "anna"


def test_practitioners_and_medication_are_shared() -> None:
    request = resource("MedicationRequest", "m", subject=to("Patient/anna"), medicationReference=to("Medication/x"))
    placed = place([ANNA, request, resource("Medication", "x"), resource("Practitioner", "p")]).patients
    assert placed[("Medication", "x")] == placed[("Practitioner", "p")] == ""


def test_a_device_goes_with_the_patient_who_uses_it() -> None:
    use = resource("DeviceUseStatement", "u", subject=to("Patient/anna"), device=to("Device/d"))
    assert place([ANNA, use, resource("Device", "d")]).patients[("Device", "d")] == "anna"


def test_what_cannot_be_placed_is_refused_with_a_reason() -> None:
    lost = resource("Condition", "lost", code={"text": "onbekend"})
    stranger = resource("Condition", "stranger", subject=to("Patient/nobody"))
    torn = resource("Communication", "torn", about=[to("Patient/anna"), to("Patient/bert")])
    refused = place([ANNA, BERT, lost, stranger, torn]).refused
    assert "no patient found" in refused[("Condition", "lost")]
    assert "Patient/nobody" in refused[("Condition", "stranger")]
    assert "more than one patient" in refused[("Communication", "torn")]


def test_something_of_two_patients_goes_to_neither() -> None:
    one = resource("Procedure", "p1", subject=to("Patient/anna"), reasonReference=[to("Basic/x")])
    two = resource("Procedure", "p2", subject=to("Patient/bert"), reasonReference=[to("Basic/x")])
    placement = place([ANNA, BERT, one, two, resource("Basic", "x")])
    assert ("Basic", "x") in placement.refused


def test_a_patient_in_the_store_counts() -> None:
    condition = resource("Condition", "c", subject=to("Patient/anna"))
    placed = place([condition], lambda key: "anna" if key == ("Patient", "anna") else None)
    assert placed.patients[("Condition", "c")] == "anna"


def test_what_is_recorded_of_a_newborn_in_the_mothers_episode_stands_in_her_record() -> None:
    child = {"resourceType": "Patient", "id": "child"}
    episode = resource("EpisodeOfCare", "e", patient=to("Patient/anna"))
    visit = resource("Encounter", "v", subject=to("Patient/anna"), episodeOfCare=[to("EpisodeOfCare/e")])
    weight = resource("Observation", "w", subject=to("Patient/child"), context=to("EpisodeOfCare/e"))
    score = resource("Observation", "s", subject=to("Patient/unborn"), context=to("Encounter/v"))
    placed = place([ANNA, child, episode, visit, weight, score]).patients
    assert placed[("Observation", "w")] == placed[("Observation", "s")] == "anna"
    assert placed[("Patient", "child")] == "child"


def test_a_hint_places_what_nothing_else_does() -> None:
    task = resource("Task", "t")
    assert place([ANNA, task], hints={("Task", "t"): "anna"}).patients[("Task", "t")] == "anna"


def test_a_hint_never_takes_a_resource_from_the_patient_that_it_names() -> None:
    """The Encounter of one person was put into another person's record by who loaded it."""
    visit = resource("Encounter", "v", subject=to("Patient/bert"))
    assert place([ANNA, BERT, visit], hints={("Encounter", "v"): "anna"}).patients[("Encounter", "v")] == "bert"
    assert "Patient/bert" in place([ANNA, visit], hints={("Encounter", "v"): "anna"}).refused[("Encounter", "v")]
    # Who says the same as the resource does is believed: a record whose Patient is delivered elsewhere.
    assert place([visit], hints={("Encounter", "v"): "bert"}).patients[("Encounter", "v")] == "bert"


def test_an_episode_of_another_does_not_take_the_data_of_a_person_with_a_record_of_their_own() -> None:
    number = [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": "999990020"}]
    episode = resource("EpisodeOfCare", "e", patient=to("Patient/anna"))
    weight = resource("Observation", "w", subject=to("Patient/bert"), context=to("EpisodeOfCare/e"))
    known = {("Patient", "anna"): "anna", ("Patient", "bert"): "bert", ("EpisodeOfCare", "e"): "anna"}.get
    assert place([ANNA, {**BERT, "identifier": number}, episode, weight]).patients[("Observation", "w")] == "bert"
    assert place([weight], known, number=lambda _id: "999990020").patients[("Observation", "w")] == "bert"
    # A newborn has no number yet: what the midwife recorded stands in the mother's record.
    assert place([weight], known).patients[("Observation", "w")] == "anna"


def test_an_address_elsewhere_is_nobody_here() -> None:
    far = resource("Flag", "f", subject=to("https://other.test/fhir/Patient/anna"))
    assert "nobody's here" in place([ANNA, far]).refused[("Flag", "f")]
    doctor = resource("Practitioner", "d", extension=[{"valueReference": to("https://other.test/fhir/Patient/anna")}])
    assert "not known here" in place([ANNA, doctor]).refused[("Practitioner", "d")]


def test_owner_elements_that_disagree_are_refused() -> None:
    both = resource("Observation", "o", subject=to("Patient/anna"), patient=to("Patient/bert"))
    assert "more than one patient" in place([ANNA, BERT, both]).refused[("Observation", "o")]
