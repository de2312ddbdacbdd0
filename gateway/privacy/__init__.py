"""What is held of one person, and how it ends: shown, exported, erased by two people, held against erasure."""
