"""The API page: Authorize in a window of its own, then a request that runs."""

import json

import pytest
from browser.browsing import Tab

pytestmark = pytest.mark.browser


def test_authorize_and_execute(tab: Tab) -> None:
    """Issue 2 point 8: the button leads through the real pages; Execute then gives a searchset."""
    tab.open("/docs")
    tab.page.get_by_role("button", name="Authorize").first.click()
    with tab.page.expect_popup() as popup:
        tab.page.locator(".modal-ux .authorize").first.click()
    login = Tab(tab.base, tab.context, popup.value)
    assert login.heading == "U gaat naar Ziekenhuis Zandoord"
    login.press("Inloggen met DigiD").log_in("Joke van Veldhuizen")
    with login.page.expect_event("close"):
        login.page.get_by_role("button", name="Ja, ik geef toestemming").click(no_wait_after=True)
    tab.page.locator(".modal-ux button", has_text="Logout").wait_for()
    tab.page.locator(".modal-ux .btn-done").click()

    searchset = execute(tab, "/ziekenhuiszandoord/48/fhir/Condition")
    assert searchset["type"] == "searchset"
    assert {entry["resource"]["resourceType"] for entry in searchset["entry"]} >= {"Condition"}


def test_without_a_token_the_answer_says_so(tab: Tab) -> None:
    """RES-11."""
    tab.open("/docs")
    outcome = execute(tab, "/ziekenhuiszandoord/48/fhir/Flag")
    assert outcome["resourceType"] == "OperationOutcome"


def execute(tab: Tab, path: str) -> dict[str, object]:
    """Unfold the request of the BgZ with this path, press Execute, and give what the server answered."""
    tag = tab.page.locator(".opblock-tag-section").filter(has_text="48 Basisgegevensset").first
    tag.locator(".opblock-tag").click()
    operation = tag.locator(".opblock").filter(has=tab.page.locator(f'[data-path="{path}"]'))
    operation.locator(".opblock-summary-control").click()
    with tab.page.expect_response(lambda response: path in response.url) as answered:
        operation.get_by_role("button", name="Execute").click()
    operation.locator(".live-responses-table").wait_for()
    body: dict[str, object] = json.loads(answered.value.text())
    return body
