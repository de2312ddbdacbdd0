"""The access record of NEN 7513: durable before the answer, chained so that a change shows."""
