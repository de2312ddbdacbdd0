"""The gateway's own validator as the profile checker of the engine, with the packages that a set's scripts name."""

from collections.abc import Sequence

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.claims import judged_by
from profiles.validation import Finding, Report, Validator
from profiles.validation.schema.packages import PackageError
from profiles.zibs import validator
from workbench.qualify.ports import ProfileVerdict

_SHOWN = 20


class OwnChecker:
    """Checks with one validator per FHIR release, made when first needed.

    ``packages`` are those that the scripts name (``name@version``). A package that is not in the package cache in that
    version is replaced by the version that is there, or left out; ``notes`` says so.
    """

    def __init__(self, packages: Sequence[str] = ()) -> None:
        self._packages = list(packages)
        self._validators: dict[FhirVersion, Validator] = {}
        self.notes: list[str] = []

    def check(self, resource: Resource, version: FhirVersion, profiles: Sequence[str]) -> ProfileVerdict:
        """The verdict of the validator, with its findings as text; a Bundle's entries are checked too.

        A profile that the resource's own was copied from stands in ``meta.profile`` for receivers, and is not judged.
        """
        if version not in self._validators:
            self._validators[version] = self._made(version)
        return _verdict(self._validators[version].validate(judged_by(resource, version), profiles))

    def _made(self, version: FhirVersion) -> Validator:
        usable = []
        for package in self._packages:
            name = package.partition("@")[0]
            for candidate in (package, name):
                try:
                    validator(version, [candidate])
                except PackageError:
                    continue
                usable.append(candidate)
                if candidate == name:
                    self.notes.append(f"{package} is not in the package cache; another version was used")
                break
            else:
                self.notes.append(f"{package} is not in the package cache")
        return validator(version, usable) if usable else validator(version)


def _verdict(report: Report) -> ProfileVerdict:
    """A code that cannot be looked up in its value set here leaves a resource valid; an unknown profile does not."""
    if report.verdict == "wrong":
        return ProfileVerdict("wrong", _texts([one for one in report.findings if one.severity in ("error", "fatal")]))
    unsure = [one for one in report.findings if one.severity == "information"]
    if any(one.rule != "binding" for one in unsure):
        return ProfileVerdict("unchecked", _texts([one for one in unsure if one.rule != "binding"]))
    return ProfileVerdict("ok", _texts(unsure))


def _texts(findings: Sequence[Finding]) -> list[str]:
    lines = [f"{one.expression}: {one.text('en')}" for one in findings[:_SHOWN]]
    return lines + ([f"and {len(findings) - _SHOWN} more"] if len(findings) > _SHOWN else [])
