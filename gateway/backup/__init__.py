"""A sealed copy of what cannot be had again: consents, the audit trail, keys. Who opens it keeps the key elsewhere."""
