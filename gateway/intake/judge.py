"""The gate of one source: the policies of the gateway, with what the source's own settings say above them."""

from gateway.intake.settings import SourceSettings
from gateway.quality.gate import Counting, Gate
from gateway.quality.settings import Policy, PolicyRule, QualitySettings
from profiles.standards.load import Catalogue

REST = "*"
"""In the policy of a source: every standard that is not named."""


def gate_of(source: SourceSettings, quality: QualitySettings, catalogue: Catalogue, counting: Counting) -> Gate:
    """The gate through which everything of a source goes."""
    own = tuple(
        PolicyRule(provider=source.provider, standard="" if standard == REST else standard, policy=Policy(policy))
        for standard, policy in source.policy.items()
    )
    rest = [rule for rule in own if not rule.standard]
    # A source that says what holds for the rest means every standard that it does not name itself.
    named = () if rest else quality.policies
    usual = rest[0].policy if rest else quality.policy
    settings = quality.model_copy(update={"policy": usual, "policies": (*own, *named)})
    return Gate(settings, catalogue, counting)
