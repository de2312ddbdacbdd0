"""What an operator can set about validation: a policy per provider and standard, and how long figures are kept."""

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Policy(StrEnum):
    """What is done with a verdict, from least to most strict."""

    OFF = "off"
    OBSERVE = "observe"
    REPAIR = "repair"
    BLOCK = "block"


STRICTNESS = tuple(Policy)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PolicyRule(_Section):
    """The policy for a provider, a standard, or both; the rule that names most decides."""

    provider: str = Field("", description="MedMij name; empty: every provider")
    standard: str = Field("", description="id as in 'gateway standards list'; empty: every standard")
    policy: Policy = Field(description="off, observe, repair or block")

    def weight(self, provider: str, standard: str) -> int:
        """How well the rule fits: 0 not at all, else more for a rule that names more."""
        if (self.provider and self.provider != provider) or (self.standard and self.standard != standard):
            return 0
        return 1 + bool(self.standard) + 2 * bool(self.provider)


class QualitySettings(_Section):
    """Validation of what comes in and what is fetched (docs/quality.md)."""

    policy: Policy = Field(
        Policy.OBSERVE,
        description="off: no validation; observe: deliver and report; repair: mend what can be mended without touching"
        " a clinical value, deliver and report; block: hold back what is wrong",
    )
    policies: tuple[PolicyRule, ...] = Field((), description="exceptions by provider and standard")
    retention_days: int = Field(400, ge=1, le=3650, description="how long counts and defect lines are kept")
    queue: int = Field(2_000, ge=10, description="most deliveries that may wait to be counted")

    terminology_url: str = Field(
        "",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="base URL of a FHIR terminology service, asked last whether a code is in a value set; empty: none",
    )

    terminology_store: str = Field(
        "",
        description="file with the institution's own code systems, as 'gateway terminology add' makes it; empty: none",
    )

    def of(self, provider: str, standards: Iterable[str]) -> Policy:
        """The policy for a resource that serves these standards at a provider: the strictest of theirs."""
        found = [self._one(provider, standard) for standard in standards] or [self._one(provider, "")]
        return max(found, key=STRICTNESS.index)

    def _one(self, provider: str, standard: str) -> Policy:
        fitting = [(rule.weight(provider, standard), rule.policy) for rule in self.policies]
        best = max(fitting, key=lambda one: one[0], default=(0, self.policy))
        return best[1] if best[0] else self.policy
