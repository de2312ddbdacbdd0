"""Reports for people who steer: data quality, use, evidence. Every figure says what it counts, of whom, and when."""
