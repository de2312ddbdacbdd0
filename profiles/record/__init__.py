"""What is known of one resource and of those that come with it: whose it is, what is repaired, what it claims."""
