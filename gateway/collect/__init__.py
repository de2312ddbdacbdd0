"""From a source's resources to an answer: normalise, match, include, assemble."""
