"""A relational EHR: views or tables, and a declarative mapping."""
