"""Helpers for every room: whole-file writes, checks of arguments, wording, compiling."""
