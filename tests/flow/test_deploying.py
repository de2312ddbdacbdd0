"""What ships the gateway: chart, systemd unit, what the image leaves out. Each is tried as far as this machine can."""

import base64
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from gateway.settings import Settings, load, refusals, variable
from tools.configuration import rows

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/medmij-gateway"
EXAMPLE = yaml.safe_load((ROOT / "deploy/helm/example-values.yaml").read_text("utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
UNIT = ROOT / "deploy/systemd/medmij-gateway.service"
TOOLS = ROOT / ".venv-deploy/bin/python"


def loaded(path: Path) -> ModuleType:
    """A program that is no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_value_that_a_template_takes_has_a_default_and_every_default_is_taken() -> None:
    texts = "".join(file.read_text("utf-8") for file in (CHART / "templates").iterdir())
    taken = set(re.findall(r"\.Values\.([\w.]+)", texts))

    def there(name: str) -> bool:
        value = VALUES
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return False
            value = value[part]
        return True

    assert not [name for name in taken if not there(name)]
    assert {name.split(".")[0] for name in taken} == set(VALUES)


def test_the_secrets_that_the_chart_asks_for_are_settings() -> None:
    text = (CHART / "values.yaml").read_text("utf-8") + UNIT.read_text("utf-8")
    known = {variable(name) for name, _ in rows(Settings)} | {"GATEWAY_CONFIG"}
    assert set(re.findall(r"GATEWAY_[A-Z_]+[A-Z]", text)) <= known


def test_the_example_is_a_production_that_starts_with_the_secrets_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    monkeypatch.setenv("GATEWAY_AUDIT_KEY", "a" * 64)
    monkeypatch.setenv("GATEWAY_AUTH__PSEUDONYM_KEY", key)
    monkeypatch.setenv("GATEWAY_AUTH__SEAL_KEYS", f'{{"2026": "{key}"}}')
    file = tmp_path / "gateway.toml"
    file.write_text(EXAMPLE["config"])
    settings = load(file)
    assert refusals(settings) == []
    assert settings.intake.sources["epd"].provider in settings.providers


@pytest.mark.skipif(not TOOLS.exists(), reason="needs the environment of `make chart`")
def test_helm_renders_the_chart_and_kubernetes_takes_it() -> None:
    """Helm itself renders; schemas and rules (root, capabilities, secrets in plain) find nothing."""
    program = [str(TOOLS), "tools/chart.py", str(CHART), "deploy/helm/example-values.yaml"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    kinds = {"Deployment/gw", "Deployment/gw-intake", "Job/gw-migrate", "PodDisruptionBudget/gw", "Service/gw"}
    assert kinds <= set(done.stdout.split())


def pod(**container: object) -> dict[str, object]:
    safe = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    held = {"securityContext": safe, "resources": {"limits": {"memory": "1Gi"}}, **container}
    return {
        "securityContext": {"runAsNonRoot": True},
        "automountServiceAccountToken": False,
        "containers": [held],
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"resources": {}}, "no limit"),
        ({"env": [{"name": "GATEWAY_AUDIT_KEY", "value": "secret"}]}, "in plain"),
        ({"securityContext": {"readOnlyRootFilesystem": True}}, "more rights"),
    ],
)
def test_a_pod_that_may_do_more_than_it_needs_is_found(change: dict[str, object], said: str | None) -> None:
    found = list(loaded(ROOT / "tools/chart.py")._loose(pod(**change)))
    assert (not found) if said is None else any(said in line for line in found)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_is_whole_and_hardened(tmp_path: Path) -> None:
    """systemd reads every line of it, and scores what the service may still do: 1.2 of 10 when this was written."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/gateway/bin/gateway", sys.executable))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert unit.name not in verified.stderr
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", unit],
        capture_output=True, text=True, check=False, env={"SYSTEMD_COLORS": "0", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert scored.returncode == 0, scored.stdout[-300:]


def test_what_the_image_leaves_out_is_removed_and_a_row_that_removes_nothing_is_an_error(tmp_path: Path) -> None:
    slim = loaded(ROOT / "deploy/image/slim.py")
    for name in ("PIL/Image.py", "fhir/resources/account.py", "fhir/resources/__init__.py", "fhir/resources/core/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    table = [{"why": "pictures", "paths": ["PIL"]}, {"why": "R5", "paths": ["fhir/resources/[a-z]*.py"]}]
    assert slim.leave_out(tmp_path, table) == 10
    left = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    assert left == {"fhir/resources/__init__.py", "fhir/resources/core/x.py"}
    with pytest.raises(SystemExit, match="nothing is there any more"):
        slim.leave_out(tmp_path, table)
    rows = tomllib.loads((ROOT / "deploy/image/leave-out.toml").read_text("utf-8"))["leave_out"]
    assert all(row["why"] and row["paths"] for row in rows)
