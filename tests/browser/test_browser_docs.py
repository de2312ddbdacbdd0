"""The API page: Authorize in a window of its own, then a request that runs."""

import json
from typing import Any

import pytest
from browser.browsing import Tab

pytestmark = pytest.mark.browser


def test_authorize_and_execute(tab: Tab) -> None:
    """Issue 2 point 8, RES-11: refused at first; Authorize leads through the real pages; then a searchset comes."""
    tab.open("/docs")
    tab.page.locator(".opblock-tag", has_text="48 Basisgegevensset").click()
    assert execute(tab, "/ziekenhuiszandoord/48/fhir/Condition")["resourceType"] == "OperationOutcome"
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

    searchset = execute(tab, "/ziekenhuiszandoord/48/fhir/Patient")
    assert searchset["type"] == "searchset"
    matches = [entry["resource"] for entry in searchset["entry"] if entry["search"]["mode"] == "match"]
    assert [one["name"][0]["family"] for one in matches] == ["van Veldhuizen - Brandsma"]


def execute(tab: Tab, path: str) -> dict[str, Any]:
    """Unfold the request with this path, press Execute, and give what the server answered."""
    operation = tab.page.locator(".opblock").filter(has=tab.page.locator(f'[data-path="{path}"]'))
    operation.locator(".opblock-summary-control").click()
    with tab.page.expect_response(lambda response: response.url.partition("?")[0].endswith(path)) as answered:
        operation.get_by_role("button", name="Execute").click()
    operation.locator(".live-responses-table").wait_for()
    body: dict[str, Any] = json.loads(answered.value.text())
    return body
