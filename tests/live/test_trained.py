"""The table of ``docs/live/README.md``, made from the marks of the tests.

``python tests/live/test_trained.py`` writes it.
"""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "live" / "README.md"
SITUATIONS = [
    "resumed",
    "continued training",
    "several metrics",
    "several sets",
    "distributed",
    "checking less often",
    "interrupted",
    "averaged weights",
]
#: the adapters, with their pages
ADAPTERS = {
    "XGBoost": "xgboost",
    "LightGBM": "lightgbm",
    "CatBoost": "catboost",
    "Keras": "keras",
    "Lightning": "lightning",
    "Hugging Face": "huggingface",
    "PyTorch": "torch",
    "Ignite": "ignite",
    "scikit-learn": "sklearn",
    "Optuna": "optuna",
}
#: what there is none of; what is in neither was not trained
NONE = {
    "XGBoost": ["resumed", "checking less often", "averaged weights"],
    "LightGBM": ["resumed", "checking less often", "averaged weights"],
    "CatBoost": ["distributed", "averaged weights"],
    "Keras": ["several sets"],
    "Hugging Face": ["averaged weights"],
    "scikit-learn": ["resumed", "distributed", "checking less often", "averaged weights"],
    "Optuna": [
        "resumed",
        "continued training",
        "several metrics",
        "several sets",
        "averaged weights",
    ],
}
TEXT = """# Live training: situations that were tested

A ✓ means that the tests train a model with the framework in this situation. They compare the
stop, the selected epoch and the recorded run with a replay of that run. Except after an
interruption, they also evaluate the final model: its error must equal the one recorded at the
selected check. A dash means that the situation does not exist for the framework or the adapter,
and *no* that it was not tested. `make docs` writes this page, and `tests/live/test_trained.py`
checks it.

{table}

- **resumed**: a run that continues from a checkpoint or snapshot stops where it would have stopped
  without the interruption. XGBoost and LightGBM continue from a saved model instead, which is
  *continued training*.
- **continued training**: training the same model again is a separate run.
- **several metrics**, **several sets**: the requested metric or data set is watched, and criteria
  can watch the others.
- **distributed**: two processes stop together and keep the same weights, and one of them records
  the run.
- **checking less often**: `validation_freq`, `check_val_every_n_epoch`, `eval_steps`,
  `metric_period`.
- **interrupted**: after Ctrl-C or an exception, the recorded run has every check.
- **averaged weights**: `use_ema` and `SwapEMAWeights`, `WeightAveraging`, `EMAWeightAveraging`,
  `StochasticWeightAveraging`, `torch.optim.swa_utils`, `EMAHandler`.

## The tests

{tests}
"""


def marked():
    """The tests of every adapter and situation, as their marks say."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for mark in getattr(function, "decorator_list", []):
                if ast.unparse(mark).startswith("pytest.mark.trained("):
                    adapter, *situations = (each.value for each in mark.args)
                    for situation in situations:
                        found.setdefault((adapter, situation), []).append(function.name)
    return found


def page():
    """The text of the page."""
    found = marked()

    def cell(adapter, situation):
        none = situation in NONE.get(adapter, ())
        assert not (none and (adapter, situation) in found)
        return "-" if none else "✓" if (adapter, situation) in found else "no"

    rows = [["", *SITUATIONS], ["---"] * (1 + len(SITUATIONS))]
    for adapter, own in ADAPTERS.items():
        rows.append([f"[{adapter}]({own}.md)", *(cell(adapter, each) for each in SITUATIONS)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    tests = "\n".join(
        f"- {adapter}, {situation}: {', '.join(f'`{name}`' for name in names)}"
        for adapter in ADAPTERS
        for (of, situation), names in found.items()
        if of == adapter
    )
    return TEXT.format(table=table, tests=tests)


def test_the_page_says_what_is_trained():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/live/test_trained.py"


def test_every_mark_is_of_an_adapter():
    assert {adapter for adapter, _ in marked()} <= ADAPTERS.keys()


def test_every_page_of_an_adapter_is_there():
    there = {path.stem for path in PAGE.parent.glob("*.md")} - {"README", "watch"}
    assert there == set(ADAPTERS.values())
    assert re.search(r"^\| \[XGBoost\]", page(), re.M)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
