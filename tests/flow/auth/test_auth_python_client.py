"""The public Python client of 2018 completes a visit (CT-11, DRV-01 to DRV-08).

The library (AGPL) lives in an environment of its own and runs as a separate process; it is never imported here. The
environment is `MEDMIJ_CLIENT_PYTHON`, or is built once under var/ from the package index.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.auth_lists import listdocs as docs
from world.auth_house import FRONT, P1, ZANDOORD, House, Pgo, returned

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[3]
LEGACY = docs.providers(
    [
        docs.provider11(
            f"{ZANDOORD}@medmij",
            docs.service("48", front=f"https://medmij.zandoord.example/oauth/{ZANDOORD}/authorize"),
        )
    ],
    release=2,
)
"""The list of providers as it was in 2018: an authorization endpoint per provider (VER-05)."""
PINS = ("setuptools<82", "medmij-oauth==0.1.0", "medmij-lists==0.1.0")


@pytest.fixture(scope="module")
def library() -> str:
    """The Python of the library's environment."""
    given = os.environ.get("MEDMIJ_CLIENT_PYTHON")
    if given:
        return given
    folder = ROOT / "var" / "medmij-client"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "-q", *PINS], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(
                "the package index cannot be reached; set MEDMIJ_CLIENT_PYTHON to an environment with the library"
            )
        (folder / "ready").touch()
    return str(python)


_Conversation = subprocess.Popen
"""A conversation in turns: nothing else runs meanwhile, so blocking is fine."""


async def _drive(library: str, pgo: Pgo, **start: Any) -> str:
    """Answer the library's questions until it has a token."""
    lists = {"zal": LEGACY.decode(), "gnl": docs.names().decode()}
    given = {"client_id": pgo.hostname, "redirect_uri": pgo.redirect_uri, "provider": f"{ZANDOORD}@medmij", **start}
    driver = ROOT / "tests" / "world" / "medmij_client_driver.py"
    talk = _Conversation([library, str(driver)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with talk as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def tell(value: Any) -> None:
            process.stdin.write(json.dumps(value) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]

        tell({**lists, **given})
        for line in process.stdout:
            question = json.loads(line)
            if "browse" in question:
                consent = await pgo.log_in(await pgo.to_login(await pgo.browser.get(question["browse"])), P1)
                tell(returned(await pgo.submit(consent, "decide", decision="give")))
            elif "post" in question:
                assert question["post"].endswith("/oauth/token")
                tell((await pgo.post("/oauth/token", question["form"])).json())
            else:
                tell(None)
                return str(question["access_token"])
    raise AssertionError("the library ended without a token")


async def test_ct_11_the_python_library_in_dialect_l(house_with: Callable[..., House], library: str) -> None:
    """CT-11: its own bare scope, on the provider's path of the legacy list; the token opens the service."""
    pgo = house_with(legacy_dialect=True).pgo()
    token = await _drive(library, pgo, service="48")
    grant = await pgo.check(token)
    assert (grant.provider, grant.services) == (ZANDOORD, frozenset({"48"}))


async def test_drv_05_the_python_library_in_dialect_m(house_with: Callable[..., House], library: str) -> None:
    """DRV-05: with the scope set to a combination, at the general endpoint's rules (CT-09)."""
    house = house_with(legacy_dialect=True)
    pgo = house.pgo()
    shown: list[str] = []
    ask = pgo.browser.get

    async def elsewhere(url: Any, **options: Any) -> Any:
        """The list names the legacy path; dialect M lives on the general one."""
        shown.append(str(url))
        return await ask(str(url).replace(f"/oauth/{ZANDOORD}/authorize", "/oauth/authorize"), **options)

    pgo.browser.get = elsewhere  # type: ignore[method-assign]
    token = await _drive(library, pgo, service="48", scope=f"{ZANDOORD}~48")
    assert (await pgo.check(token)).services == {"48"}
    assert shown[0].startswith(f"{FRONT}/oauth/{ZANDOORD}/authorize?")
