"""How far to trust the answers: size and power of `bench`, coverage of `recommend`, `calibrate`.

    python -m experiments.trust

prints as one table, a row a corpus and a number, what ``experiments.trust_bench`` and
``experiments.trust_advice`` measured and committed to ``data/studies``. The tables of
docs/statistics.md are rows of it.
"""

from __future__ import annotations

import pandas as pd

from experiments import trust_advice, trust_bench


def main() -> None:
    table = pd.concat([pd.read_csv(each.OUT) for each in (trust_bench, trust_advice)])
    print(table.to_string(index=False, na_rep=""))


if __name__ == "__main__":
    main()
