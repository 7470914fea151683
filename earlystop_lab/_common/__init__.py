"""What every room may use: whole-file writes, checks of arguments, wording, compiling."""
