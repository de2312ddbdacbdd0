"""The port to the care institution's own systems, and the adapters that come with the gateway."""
