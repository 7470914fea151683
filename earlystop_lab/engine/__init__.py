"""Criteria x curves -> where each criterion stops each run."""
