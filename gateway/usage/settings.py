"""Section ``usage``: who is a test person, how long events are kept, and how visits are told apart."""

from pydantic import Field

from gateway.sections import SettingsSection


class UsageSettings(SettingsSection):
    """What is counted apart, and for how long what was counted is kept."""

    test_bsn: tuple[str, ...] = Field(("999",), description="how numbers of test persons begin; counted apart")
    test_clients: tuple[str, ...] = Field((), description="host names of clients whose visits are tests; counted apart")
    retention_days: int = Field(760, ge=62, description="how long events are kept (25 months); reports stay")

    def is_test(self, client: str, bsn: str) -> bool:
        """Whether a visit is a test. An unknown person of an ordinary client is none."""
        return client in self.test_clients or bool(bsn and bsn.startswith(self.test_bsn))
