"""What a run found: one result per action, test, script and set, with the evidence a reader needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """The verdicts, from best to worst. ``NOT_EVALUATED`` is never a pass."""

    PASSED = "passed"
    WARNING = "warning"
    SKIPPED = "skipped"
    NOT_EVALUATED = "not evaluated"
    FAILED = "failed"


_ORDER = list(Status)


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of the verdicts; passed when there are none."""
    return max(statuses, key=_ORDER.index, default=Status.PASSED)


@dataclass(frozen=True, slots=True)
class Traffic:
    """One request and its answer as text for a reader; tokens and citizen service numbers are masked."""

    request: str
    response: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What became of one operation or assert: ``check`` says what was asked, ``found`` what was there."""

    status: Status
    kind: str
    description: str
    check: str = ""
    found: str = ""
    reason: str = ""
    traffic: Traffic | None = None


@dataclass(frozen=True, slots=True)
class TestResult:
    """The results of one test of a script."""

    __test__ = False

    name: str
    description: str
    actions: Sequence[ActionResult]

    @property
    def status(self) -> Status:
        """The worst of its actions; a test of which everything was skipped is skipped."""
        return worst(action.status for action in self.actions)


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """The results of one script."""

    id: str
    title: str
    description: str
    role: str
    path: str
    tests: Sequence[TestResult]
    seconds: float = 0.0

    @property
    def status(self) -> Status:
        """The worst of its tests."""
        return worst(test.status for test in self.tests)

    @property
    def problems(self) -> list[tuple[TestResult, ActionResult]]:
        """The actions that did not pass, in order, without those that were only skipped."""
        quiet = (Status.PASSED, Status.SKIPPED)
        return [(test, action) for test in self.tests for action in test.actions if action.status not in quiet]


@dataclass(frozen=True, slots=True)
class SetResult:
    """The results of the scripts of one information standard."""

    name: str
    title: str
    scripts: Sequence[ScriptResult]
    left_out: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = field(default=())

    @property
    def status(self) -> Status:
        """The worst of its scripts; a set without scripts was not evaluated."""
        return worst(script.status for script in self.scripts) if self.scripts else Status.NOT_EVALUATED

    def count(self, status: Status) -> int:
        """How many scripts ended with this verdict."""
        return sum(script.status is status for script in self.scripts)
