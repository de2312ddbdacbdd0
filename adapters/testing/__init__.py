"""For who writes or tries an adapter: the contract as a test suite, and an EHR that misbehaves on command."""
