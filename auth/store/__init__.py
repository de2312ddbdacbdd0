"""What the authorization server keeps: tables, rows, statements."""
