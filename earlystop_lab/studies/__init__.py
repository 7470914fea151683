"""The questions that people ask, answered in numbers."""
