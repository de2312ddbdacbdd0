"""What people see: routes, typed contexts, templates, style and the message catalogue."""
