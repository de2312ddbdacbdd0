"""The commands of the workbench; ``gateway`` finds them by entry point."""
