"""What testers use and production does not: PGO client, qualification, demo world, static tokens."""
