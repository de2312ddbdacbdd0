"""What comes in: files now, pushes and messages later. Read, placed with a patient, normalised, stored."""
