"""Stops -> numbers: the time that criteria take and the error that they lose."""
