"""From merged trees to shapes and checks."""
