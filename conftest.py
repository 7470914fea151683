"""Which modules pytest does not import by itself."""

# adapters import their framework; tests/live runs their examples, one framework after the other
collect_ignore = [
    f"earlystop_lab/live/{name}.py"
    for name in (
        "catboost",
        "huggingface",
        "ignite",
        "keras",
        "lightgbm",
        "lightning",
        "optuna",
        "sklearn",
        "torch",
        "xgboost",
    )
]
