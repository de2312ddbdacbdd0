"""Data quality: verdicts on what comes in and what is fetched, the policy that follows, and counts for the steward."""
