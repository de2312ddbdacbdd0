"""A person's record, for reading: from collected resources to sections, a summary, trends and pages.

Data in, view models and templates out; nothing here speaks HTTP or reads a store. The demo PGO and "Mijn gegevens" both
show what is made here.
"""
