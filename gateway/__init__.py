"""HTTP, orchestration, persistence, audit, command line: the only place where the floors are wired."""
