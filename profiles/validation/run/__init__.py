"""Running what was compiled: from bytes or data to a report, with words for people."""
