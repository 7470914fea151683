"""docs/logs.md, made of what the importers make of a small log of every format.

python tests/log_page.py > docs/logs.md
"""

import json
import re
import sys
import tempfile
import tomllib
from pathlib import Path

import pandas as pd
from log_samples import (
    FOLDERS,
    LONE,
    OPTUNA_TABLES,
    TEXTS,
    TRAIN,
    VAL,
    database,
    event_file,
    rows,
)

from earlystop_lab.sources.logs import FORMATS, LogImport, read_logs
from earlystop_lab.sources.logs._elsewhere import ENDINGS

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# Training logs

Made by `make docs`: every row is what `earlystop import` made of a small log of that format. *val*,
*train* and *test* are the columns that became these curves where nothing was asked for; `--val`,
`--train`, `--test` and `--epoch` choose others. *Position* is the column of the positions, counted
where there is none; epochs and rounds are *numbered* from 1, also where a log counts them from 0,
and steps are as recorded. Every other column of numbers is a channel by its own name.

*Verified* names the version of the program that was run for real: what was read of its files is
what the run had kept in memory (`make verify-logs`, `make test`). *read*: the format is read as
documented, or as its files were met, and its program was not run.

"""
PROGRAMS_HEAD = """
## Programs whose logs are of a general format

*Asked* are the options with which the row was made: a metric that is no loss has to be chosen.

"""
#: programs whose logs are read by a general format: the file, its text, options of the import
PROGRAMS = {
    "mmengine": ("scalars.json", rows(
        '{{"lr": 0.1, "loss": {train}, "epoch": {at}, "iter": {at}, "step": {at}}}\n'
        '{{"val/mse": {val}, "step": {at}}}', 1), {}),
    "mmdet": ("scalars.json", rows(
        '{{"lr": 0.1, "loss": {train}, "epoch": {at}, "iter": {at}, "step": {at}}}\n'
        '{{"coco/bbox_mAP": {val}, "step": {at}}}', 1), {"val": "coco/bbox_mAP", "mode": "max"}),
    "detectron2": ("metrics.json", rows(
        '{{"iteration": {at}, "total_loss": {train}, "bbox/AP": {val}}}', 1),
        {"val": "bbox/AP", "mode": "max"}),
    "flair": ("loss.tsv", rows(
        "{at}\t10:00:00\t0.1\t{train}\t{val}", 1,
        "EPOCH\tTIMESTAMP\tLEARNING_RATE\tTRAIN_LOSS\tDEV_LOSS"), {}),
    "stable-baselines3": ("progress.csv", rows(
        "{at},{val},\n{at},,{train}", 1, "time/total_timesteps,eval/mean_reward,train/loss"),
        {"val": "eval/mean_reward", "mode": "max"}),
    "fairseq": ("train.log", rows(
        "2021-03-01 10:00:00 | INFO | valid | epoch {at:03} | valid on 'valid' subset | loss {val} "
        "| ppl 2 | num_updates {at}00\n"
        "2021-03-01 10:00:01 | INFO | train | epoch {at:03} | loss {train} | ppl 2", 1), {}),
    "Marian": ("train.log", rows(
        "[2026-01-01 10:00:00] Ep. {at} : Up. {at}00 : Sen. 3,200 : Cost {train} : Time 1s\n"
        "[2026-01-01 10:00:01] [valid] Ep. {at} : Up. {at}00 : ce-mean-words : {val} : new best",
        1), {}),
    "GluonCV": ("train.log", rows(
        "[Epoch {at}] training: rmse={train}\n[Epoch {at}] validation: err-top1={val}"), {}),
    "nanoGPT speedruns": ("log.txt", rows("step:{at}/9 val_loss:{val} train_time:9ms"), {}),
}  # fmt: skip
#: libraries that the tests of tests/sources/test_logs.py drive, in the versions of constraints.txt
DRIVEN = {
    "keras-csv": "keras",
    "keras-history": "keras",
    "lightning": "lightning",
    "huggingface": "transformers",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "tensorboard": "torch",
    "text": "skorch",
}
_BLOCK = re.compile(r"^# /// script$(?P<text>(?:\n#.*)+?)\n# ///$", re.MULTILINE)
#: what reads a table of any program
GENERIC = {
    "csv": "CSV and other tables, a row a check",
    "json": "JSON Lines and JSON rows",
    "parquet": "Parquet, a row a check",
    "text": "Lines printed in training: nanoGPT, fairseq, Marian, skorch and many others",
    "apart": "Files of one run that each hold one set",
    "lightning": "Lightning's `CSVLogger`",
    "keras-csv": "Keras' `CSVLogger`",
    "keras-history": "Keras' `History.history`, dumped as JSON",
    "xgboost": "XGBoost's `evals_result()`, dumped as JSON",
    "lightgbm": "LightGBM's `record_evaluation`, dumped as JSON",
    "sb3-evaluations": "Stable-Baselines3's `evaluations.npz`",
    "sb3-monitor": "Stable-Baselines3's `monitor.csv`",
    "trackio": "trackio's SQLite database of a project",
    "trackio-metric": "One metric, as `trackio get metric --json` prints it",
}


def page() -> str:
    """The whole page."""
    with tempfile.TemporaryDirectory() as folder:
        formats = [_of_format(name, path) for name, path in _samples(Path(folder))]
        programs = [_of_program(name, Path(folder)) for name in PROGRAMS]
    order = {name: k for k, name in enumerate(FORMATS)}
    formats.sort(key=lambda row: order[row["format"].strip("`")])
    ways = [{"file": f"`*{ending}`", "why, and what to do": way} for ending, way in ENDINGS.items()]
    return (
        f"{HEAD}{_table(formats)}{PROGRAMS_HEAD}{_table(programs)}\n## What is not read\n\n"
        f"{_table(ways)}"
    )


def _table(rows: list[dict[str, str]]) -> str:
    table = pd.DataFrame(rows).fillna("")
    return table.to_markdown(index=False, disable_numparse=True) + "\n"


def _samples(folder: Path) -> list[tuple[str, Path]]:
    """A log of every format, written into folders of their own."""
    samples = {}
    for k, (name, (form, text, _)) in enumerate(TEXTS.items()):
        path = folder / str(k) / name
        path.parent.mkdir()
        path.write_text(text)
        samples.setdefault(form, path)
    for form, write in {**FOLDERS, **LONE}.items():
        samples[form] = write(folder / form)
    for form in ("tensorboard", "tensorboard-export", "parquet", "sklearn", "apart", "optuna"):
        (folder / form).mkdir()
        samples[form] = folder / form
    (folder / "tensorboard" / "events.out.tfevents.1.host").write_bytes(event_file())
    for of, values in (("train", TRAIN), ("val", VAL)):
        lines = [f"{i},{value}\n" for i, value in enumerate(values, start=1)]
        (folder / "apart" / f"{of}.csv").write_text("epoch,loss\n" + "".join(lines))
        lines = [f"100,{line}" for line in lines]
        name = f"run-a_{of}-tag-epoch_loss.csv"
        text = "Wall time,Step,Value\n" + "".join(lines)
        (folder / "tensorboard-export" / name).write_text(text)
    table = pd.DataFrame({"epoch": range(1, 7), "train_loss": TRAIN, "val_loss": VAL})
    table.to_parquet(folder / "parquet" / "log.parquet")
    record = {"loss_curve_": TRAIN, "validation_scores_": VAL}
    (folder / "sklearn" / "mlp.json").write_text(json.dumps(record))
    database(folder / "optuna" / "optuna.db", OPTUNA_TABLES)
    return [*samples.items()]


def _of_format(form: str, path: Path) -> dict[str, str]:
    found = read_logs(path)
    row = {"format": f"`{form}`", "what it is": GENERIC.get(form) or _said(form)}
    if not len(found.curves):
        refused = found.skipped[0].reason.partition(":")[0]
        return {**row, "val": f"refused: {refused}", "verified": _verified(form)}
    assert found.plan["format"].tolist() == [form], (form, found.plan)
    return {**row, **_facts(found), "verified": _verified(form)}


def _of_program(program: str, folder: Path) -> dict[str, str]:
    name, text, options = PROGRAMS[program]
    path = folder / program / name
    path.parent.mkdir()
    path.write_text(text)
    found = read_logs(path, **options)
    said = " ".join(f"--{option} {value}" for option, value in options.items())
    row = {"program": program, "file": f"`{name}`", "asked": f"`{said}`" if said else ""}
    form = found.plan["format"].tolist()[0]
    return {**row, "format": f"`{form}`", **_facts(found), "verified": _verified(program)}


def _facts(found: LogImport) -> dict[str, str]:
    """What became of the columns of the one run that was read."""
    (plan,) = found.plan.to_dict("records")
    cells = {name: _cell(plan[name]) for name in ("val", "train", "test")}
    if found.curves[0].about["val"].stand_in:
        cells["val"] += ", of training"
    at_zero = any("counts from 0: recorded + 1" in note.text for note in found.notes)
    from_one = plan["unit"] in ("epoch", "round", "check") or at_zero
    return {
        **cells,
        "direction": plan["direction"],
        "position": _cell(plan["epoch"], "counted"),
        "unit": plan["unit"],
        "numbered": "from 1" if from_one else "as recorded",
    }


def _cell(column: str | None, otherwise: str = "") -> str:
    return otherwise if column is None else f"`{column}`"


def _said(form: str) -> str:
    """The first sentence of the module that reads the format."""
    module = sys.modules[FORMATS[form].read.__module__]
    return module.__doc__.split("\n\n")[0].replace("\n", " ").replace("``", "`").rstrip(".")


def _verified(name: str) -> str:
    """The versions of the programs whose files of a format, or whose own files, were read."""
    found = []
    for path in sorted((ROOT / "experiments" / "log_tools").glob("drive_*.py")):
        block = _BLOCK.search(path.read_text())
        about = tomllib.loads("".join(f"{line[2:]}\n" for line in block["text"].splitlines()))
        pin = about["dependencies"][0]
        if name in about["tool"]["earlystop"]["formats"] or pin.startswith(f"{name}=="):
            found.append(pin)
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    found += [pin for pin in pins if name in DRIVEN and pin.startswith(f"{DRIVEN[name]}==")]
    return ", ".join(pin.replace("==", " ") for pin in found) or "read"


if __name__ == "__main__":
    sys.stdout.write(page())
