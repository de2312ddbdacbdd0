"""The verdict on what was converted: a profile that a resource does not meet is not claimed, and that is told."""

from collections.abc import Callable
from dataclasses import dataclass

from profiles.conversion.convert import Converted
from profiles.conversion.losses import Loss
from profiles.fhir.tree import Resource
from profiles.validation import Report


@dataclass(frozen=True, slots=True)
class Judged:
    """A converted resource and the verdict on it as it is delivered."""

    resource: Resource
    report: Report


def judge(
    result: Converted, report: Callable[[Resource], Report], ids: tuple[str, str] = ("LL-19", "")
) -> list[Judged]:
    """Hold each resource against the profile it claims; drop the claim, in place, where it does not hold.

    ``report``: gives the verdict, as `Validator.validate` does, by packages of the release of the result.
    Codes outside a required list are told as ``code-outside``, all else as ``profile-outside``, each with its id of
    ``ids``. What
    is wrong without any claim stays wrong in the verdict.
    """
    return [_judged(resource, result, report, ids) for resource in result.resources]


def _judged(
    resource: Resource, result: Converted, verdict: Callable[[Resource], Report], ids: tuple[str, str]
) -> Judged:
    report = verdict(resource)
    meta = resource.get("meta")
    if report.verdict != "wrong" or not isinstance(meta, dict) or "profile" not in meta:
        return Judged(resource, report)
    del meta["profile"]
    if not meta:
        del resource["meta"]
    name = "/".join(str(resource[key]) for key in ("resourceType", "id") if key in resource)
    for one in report.findings:
        if one.severity == "error" and one.rule == "binding":
            result.losses.append(Loss("code-outside", ids[0], name, one.expression, one.found))
        elif one.severity == "error":
            result.losses.append(Loss("profile-outside", ids[1], name, one.expression, one.text("en")))
    return Judged(resource, verdict(resource))
