"""Studies that answer common questions with tables and numbers."""
