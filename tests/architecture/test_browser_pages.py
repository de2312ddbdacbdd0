"""Every page template is visited in Chromium with axe: a new template without such a test does not pass unnoticed.

The table says which story visits which template. That the story really comes by is for its own assertions (each names a
heading that only this page has); here it is checked that no template is forgotten, and that each story looks with axe.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STORIES = {
    "auth/pages/templates/bye.html": "manage.test_a_person_sees_who_collected_what_and_ends_it_at_once",
    "auth/pages/templates/cancel.html": "accessible.test_landing_cancel_and_login",
    "auth/pages/templates/consent.html": "accessible.test_consent_and_the_record",
    "auth/pages/templates/end.html": "for_another.test_a_mother_collects_for_her_child",
    "auth/pages/templates/fault.html": "faults.test_the_source_fails_during_the_visit",
    "auth/pages/templates/landing.html": "accessible.test_landing_cancel_and_login",
    "auth/pages/templates/manage.html": "manage.test_a_person_sees_who_collected_what_and_ends_it_at_once",
    "auth/pages/templates/manage_landing.html": "manage.test_the_pages_in_english",
    "auth/pages/templates/missing.html": "accessible.test_an_address_that_there_is_not",
    "auth/pages/templates/onward.html": "manage.test_a_person_sees_who_collected_what_and_ends_it_at_once",
    "auth/pages/templates/refused.html": "accessible.test_refusals",
    "workbench/idp/templates/login.html": "accessible.test_landing_cancel_and_login",
    "workbench/idp/templates/for.html": "for_another.test_a_mother_collects_for_her_child",
    "workbench/idp/templates/staff.html": "staff.test_nobody_without_a_role_comes_in",
    "workbench/idp/templates/stop.html": "accessible.test_a_login_that_was_used_already",
    "workbench/demo/pgo/templates/home.html": "accessible.test_pages_that_need_no_visit",
    "workbench/demo/pgo/templates/message.html": "accessible.test_pages_that_need_no_visit",
    "workbench/demo/pgo/templates/questionnaire.html": "staff.test_a_questionnaire_is_filled_in_and_read",
    "workbench/demo/pgo/templates/record.html": "accessible.test_consent_and_the_record",
    "workbench/demo/pgo/templates/releases.html": "accessible.test_consent_and_the_record",
    "workbench/demo/pgo/templates/send.html": "staff.test_what_a_citizen_sends_is_seen_decided_on_and_told",
    "workbench/demo/pgo/templates/sent.html": "staff.test_what_a_citizen_sends_is_seen_decided_on_and_told",
    "workbench/demo/pgo/templates/waiting.html": "accessible.test_a_visit_that_takes_long",
    "workbench/demo/templates/ehr.html": "accessible.test_pages_that_need_no_visit",
    "workbench/demo/templates/handbook.html": "accessible.test_pages_that_need_no_visit",
    "workbench/demo/templates/start.html": "accessible.test_pages_that_need_no_visit",
    "workbench/qualify/templates/index.html": "report.test_the_pages_of_a_qualification",
    "workbench/qualify/templates/set.html": "report.test_the_pages_of_a_qualification",
    "gateway/dossier/templates/dossier.html": "accessible.test_consent_and_the_record",
    "gateway/ownrecord/templates/record.html": "own_record.test_a_person_without_a_pgo_reads_their_own_record",
    "gateway/ownrecord/templates/said.html": "own_record.test_who_may_not_collect_reads_why",
    "gateway/staff/templates/home.html": "staff.test_what_a_citizen_sends_is_seen_decided_on_and_told",
    "gateway/staff/templates/login.html": "staff.test_nobody_without_a_role_comes_in",
    "gateway/staff/templates/parts.html": "staff.test_the_rooms_of_operations_in_both_languages",
    "gateway/staff/templates/room.html": "staff.test_the_rooms_of_operations_in_both_languages",
    "gateway/staff/templates/said.html": "staff.test_nobody_without_a_role_comes_in",
    "gateway/staff/templates/submission.html": "staff.test_what_a_citizen_sends_is_seen_decided_on_and_told",
    "gateway/report/templates/report.html": "report.test_the_page_fits_and_nobody_is_left_out",
}
LOOKS = {"accessible", "both_languages", "faults", "told"}
"""What runs axe on the page that is open."""


def test_no_template_is_without_a_story() -> None:
    """UI-14: a frame that others extend is on every page of theirs."""
    found = {
        path.relative_to(ROOT).as_posix()
        for part in ("auth", "gateway", "adapters", "profiles", "workbench")
        for path in (ROOT / part).rglob("*.html")
        if path.name != "base.html"
    }
    assert found == STORIES.keys()


@pytest.mark.parametrize("story", sorted(set(STORIES.values())))
def test_a_story_looks_with_axe(story: str) -> None:
    """UI-14: it exists under this name, and calls what runs axe."""
    module, _, name = story.partition(".")
    tree = ast.parse((ROOT / f"tests/browser/test_browser_{module}.py").read_text("utf-8"))
    (function,) = (one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name)
    called = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    }
    assert called & LOOKS
