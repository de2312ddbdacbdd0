"""Delen: what citizens send. Received, checked, kept apart, judged by staff, and filed in the EHR."""
