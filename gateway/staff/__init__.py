"""The pages of the institution's own people: what citizens sent, corrections, questionnaires, and what goes wrong."""
