"""Tables of studies in ``data/studies``, from which their figures are drawn."""

from pathlib import Path

import pandas as pd

from earlystop_lab._common.files import written_text

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "data" / "studies"


def written_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table with six digits, all or nothing."""
    text: str = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    written_text(path, text)


def study(name: str) -> pd.DataFrame:
    """A table of ``data/studies``."""
    return pd.read_csv(STUDIES / f"{name}.csv")
