"""What rules that were added lately do beside the known ones, as ``bench`` found it.

``python -m experiments.compare_rules`` writes the verdicts, and docs/criteria.md shows them.
"""

from pathlib import Path

import pandas as pd

#: a row a rule, in the order of the rules
COMPARED = Path(__file__).with_name("compared.csv")


def compared_table() -> pd.DataFrame:
    """One row per rule, with heads in words: the numbers of known rules by verdict, some by name.

    ``corpora`` are those over which it was compared; ``beside Keras`` is the verdict beside Keras'
    patience, empty if they were not compared; ``equal to`` are rules that stop and select alike in
    every run. Of ``ranks alone``, a sign test tells the two apart, and the means do not.

    >>> compared_table().set_index("rule").loc["AdaptivePatience", "beside Keras"]
    'equivalent'
    """
    rows = pd.read_csv(COMPARED, keep_default_na=False).rename(columns={"ranks": "ranks_alone"})
    return rows.rename(columns=lambda name: name.replace("_", " ").replace("keras", "Keras"))
