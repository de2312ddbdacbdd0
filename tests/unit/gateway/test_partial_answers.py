"""What leaves when a part is missing: per client, per standard, else where a gap is dangerous (APP-03, APP-06)."""

import pytest

from adapters.port import Gap, Reason
from gateway.clients import ClientSettings, presets
from gateway.http.partial import Partials
from gateway.problems import Problem
from gateway.sections import Partial
from gateway.settings import Settings, SettingsError, authorization, load
from profiles.standards.load import catalogue, safety_relevant

DOWN = Gap("AllergyIntolerance", Reason.SOURCE_DOWN, "down", retry_after=30)
BGZ = catalogue().standards["bgz-3"]


def leaves(partials: Partials, rule: str, *gaps: Gap, client: str = "pgo.example") -> bool:
    try:
        partials.check(client, "bgz-3", BGZ.rule(rule), gaps)
    except Problem:
        return False
    return True


@pytest.mark.parametrize(
    ("default", "standard", "client", "problem", "allergies"),
    [
        ("safety", None, None, True, False),
        ("outcome", None, None, True, True),
        ("refuse", None, None, False, False),
        ("safety", "outcome", None, True, True),
        ("outcome", "safety", None, True, False),
        ("refuse", "refuse", "outcome", True, True),
        ("outcome", "outcome", "refuse", False, False),
    ],
)
def test_the_client_decides_before_the_standard_and_that_before_the_rest(
    default: Partial, standard: Partial | None, client: Partial | None, problem: bool, allergies: bool
) -> None:
    partials = Partials(default, {"bgz-3": standard} if standard else {}, {"pgo.example": client} if client else {})
    assert leaves(partials, "problem", DOWN, client="PGO.example") is problem
    assert leaves(partials, "allergyIntolerance", DOWN) is allergies
    assert leaves(partials, "allergyIntolerance")


def test_what_asking_again_cannot_mend_stays_an_entry() -> None:
    """A part that is held back would be held back the next time too: refusing would hide the rest for ever."""
    for reason in set(Reason) - {Reason.SOURCE_DOWN}:
        assert leaves(Partials("refuse"), "allergyIntolerance", Gap("AllergyIntolerance", reason, "x"))


def test_the_time_to_ask_again_is_the_longest_that_a_source_says() -> None:
    with pytest.raises(Problem) as refused:
        Partials().check("x", "bgz-3", BGZ.rule("alert"), [DOWN, Gap("Flag", Reason.SOURCE_DOWN, "y", retry_after=5)])
    assert (refused.value.status, refused.value.code) == (503, "transient")
    assert refused.value.headers["retry-after"] == "30"


def test_every_zib_that_is_dangerous_in_part_is_one_that_rows_name() -> None:
    named = {zib for one in catalogue().standards.values() for rule in one.rules for zib in rule.zibs}
    assert {"AllergyIntolerance", "Alert", "MedicationAgreement", "TreatmentDirective"} <= safety_relevant() & named


def test_a_preset_fills_the_row_of_one_client_and_its_own_words_go_before() -> None:
    mgo = ClientSettings.model_validate({"preset": "mgo", "partial": "safety"})
    assert (mgo.always_refresh_token, mgo.accept_refresh_code, mgo.numeric_error, mgo.partial) == (
        True, True, True, "safety",
    )  # fmt: skip
    assert ClientSettings.model_validate({"preset": "mgo"}).partial == "refuse"
    for name in presets():
        ClientSettings.model_validate({"preset": name})


def test_no_other_client_gets_the_quirks() -> None:
    section = authorization(Settings(clients={"MGO.example": ClientSettings.model_validate({"preset": "mgo"})}))
    assert section.quirks_of("mgo.example").always_refresh_token
    assert section.quirks_of("mgo.example").numeric_error
    for other in ("pgo.example", "", None):
        assert not any(section.quirks_of(other).model_dump().values())


def test_an_unknown_preset_is_one_clear_line(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = tmp_path_factory.mktemp("config") / "gateway.toml"
    config.write_text('[clients."a.example"]\npreset = "moh"\n', "utf-8")
    with pytest.raises(SettingsError, match="unknown preset; known are mgo"):
        load(config)
