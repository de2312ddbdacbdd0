"""What the gateway keeps: patients and resources per provider, audit records, repairs."""
