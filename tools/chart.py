"""Renders the Helm chart as Helm does, and holds what comes out to the schemas of Kubernetes and to rules of our own.

chart.py CHART VALUES [--json]: prints the kinds that were rendered, or with --json the documents themselves.
Exit code 1 when something is wrong. Needs the environment of `make chart`.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

KUBERNETES = "1.33"


def rendered(chart: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Every document of the chart with these values."""
    from helm_python import chart as helm

    texts = helm.Chart.load(str(chart)).render(values, name="gw", namespace="zorg")
    return [one for text in texts.values() for one in yaml.safe_load_all(text) if one]


def linted(chart: Path, values: dict[str, Any]) -> Iterator[str]:
    """What Helm's own lint finds; an icon is a matter of taste."""
    from helm_python import chart as helm

    for message in helm.lint(str(chart), values, strict=True)["messages"]:
        if "icon is recommended" not in message["error"]:
            yield f"{message['path']}: {message['error']}"


def faults(documents: list[dict[str, Any]]) -> Iterator[str]:
    """What does not fit the schemas, and pods that may do more than they need."""
    import kubernetes_validate

    for one in documents:
        name = f"{one['kind']}/{one['metadata']['name']}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kubernetes_validate.validate(one, KUBERNETES, strict=True)
        except Exception as fault:
            yield f"{name}: {str(fault).splitlines()[0]}"
        if one["kind"] in ("Deployment", "Job"):
            yield from (f"{name}: {text}" for text in _loose(one["spec"]["template"]["spec"]))


def _loose(pod: dict[str, Any]) -> Iterator[str]:
    if not pod["securityContext"].get("runAsNonRoot") or pod.get("automountServiceAccountToken") is not False:
        yield "runs as root, or with a token of the cluster"
    for container in pod["containers"]:
        context = container["securityContext"]
        if not context.get("readOnlyRootFilesystem") or context.get("allowPrivilegeEscalation") is not False:
            yield "its root can be written, or it can get more rights"
        if context.get("capabilities", {}).get("drop") != ["ALL"]:
            yield "keeps capabilities"
        if any("value" in one and one["name"] != "GATEWAY_CONFIG" for one in container.get("env", ())):
            yield "has a setting in plain that may be a secret"
        if "limits" not in container.get("resources", {}):
            yield "has no limit of memory"


def main(chart: Path, values: Path, *, as_json: bool) -> int:
    """Render, check, tell."""
    given = yaml.safe_load(values.read_text("utf-8"))
    documents = rendered(chart, given)
    found = [*linted(chart, given), *faults(documents)]
    sys.stderr.write("".join(f"{line}\n" for line in found))
    if as_json:
        sys.stdout.write(json.dumps(documents) + "\n")
    else:
        sys.stdout.write("".join(f"{one['kind']}/{one['metadata']['name']}\n" for one in documents))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]), as_json="--json" in sys.argv))
