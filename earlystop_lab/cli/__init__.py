"""The command line: ``earlystop ...``. Thin: every command calls the package and prints."""

from earlystop_lab.cli._app import app, main

__all__ = ["app", "main"]
