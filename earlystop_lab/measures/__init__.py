"""Stops -> numbers: what criteria cost and what they lose."""
