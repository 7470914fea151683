"""Rows of the table of attacks, and random numbers that can be had again."""

import json
import random
import time


class Cell:
    """A row of the table: what was attempted how often, and what failed."""

    def __init__(self, part: str, what: str) -> None:
        self.part, self.what = part, what
        self.attempts = 0
        self.failures: list[str] = []
        #: what else the table says
        self.note = ""
        self._began = time.monotonic()
        self.seconds = 0.0

    def attempt(self, number: object, failed: str) -> None:
        """Count an attempt; ``failed`` says what went wrong, or nothing."""
        self.attempts += 1
        self.seconds = time.monotonic() - self._began
        if failed:
            self.failures.append(f"{number}: {failed}")
            print(f"FAILED {self.part}, {self.what}, attempt {number}: {failed}", flush=True)


def rng_of(*seeds: object) -> random.Random:
    """Random numbers that depend on these seeds alone."""
    return random.Random(json.dumps(seeds, default=str))
