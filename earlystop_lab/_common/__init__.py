"""What every room may use: whole-file writes, compiling, the wording of messages."""
