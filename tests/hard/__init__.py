"""Attacks on the package, a module a kind; ``python tests/hard`` makes all of them."""
