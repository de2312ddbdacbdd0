"""Documents: is a PDF a PDF/A as far as can be seen here, and does a reference say what is true of its content?"""
