# /// script
# dependencies = []
# [tool.earlystop]
# program = "fairseq==0.12.2"
# formats = ["text", "json"]
# ///
"""fairseq 0.12.2: the lines of both log formats, by fairseq's own meters and progress bars.

The last release has wheels for Python 3.8 and earlier, and cannot be imported by Python 3.11: the
wheel is unpacked, and its package for logging, which stands alone, is imported from it. The loop
has the calls of ``fairseq_cli/train.py``, in its order: an epoch is validated within the loop over
the training batches, so its validation line precedes its training line.
"""

import logging
import math
import subprocess
import sys
import types
import zipfile

from _numbers import TRAIN, VAL, arguments, done, kept

folder = arguments()
wheel = folder.parent / "wheel"
#: pip takes wheels of another Python only where it builds nothing
download = "--no-deps --only-binary :all: --python-version 38 --platform manylinux1_x86_64"
command = [sys.executable, "-m", "pip", "download", "--quiet", *download.split()]
subprocess.run([*command, "--dest", wheel, "fairseq==0.12.2"], check=True)
zipfile.ZipFile(next(wheel.glob("*.whl"))).extractall(wheel)
package = types.ModuleType("fairseq")
package.__path__ = [str(wheel / "fairseq")]
sys.modules["fairseq"] = package

from fairseq.logging import metrics, progress_bar  # noqa: E402

LINE = "%(asctime)s | %(levelname)s | %(name)s | %(message)s"
UPDATES = 4


def trained(name, log_format):
    """Six epochs of four updates, with a line every second update; the means of every epoch."""
    metrics.reset()
    root = logging.getLogger("fairseq.logging.progress_bar")
    for handler in [*root.handlers]:
        root.removeHandler(handler)
    handler = logging.FileHandler(folder / name)
    handler.setFormatter(logging.Formatter(LINE, datefmt="%Y-%m-%d %H:%M:%S"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    best, updates = math.inf, 0
    for epoch, (train, val) in enumerate(zip(TRAIN, VAL, strict=True), start=1):
        with metrics.aggregate("train"):
            bar = progress_bar.progress_bar(range(UPDATES), log_format, 2, epoch=epoch)
            for _ in bar:
                updates += 1
                with metrics.aggregate("train_inner"):
                    metrics.log_scalar("loss", train, 8, round=3)
                    metrics.log_scalar("lr", 0.1 / updates, weight=0)
                    metrics.log_derived("ppl", lambda made: 2 ** made["loss"].avg)
                    if updates % 2 == 0:
                        stats = metrics.get_smoothed_values("train_inner")
                        bar.log(stats, tag="train_inner", step=updates)
                        metrics.reset_meters("train_inner")
            subset = "valid on 'valid' subset"
            checks = progress_bar.progress_bar(range(2), log_format, 2, epoch=epoch, prefix=subset)
            with metrics.aggregate(new_root=True) as made:
                for _ in checks:
                    metrics.log_scalar("loss", val, 8, round=3)
            stats = made.get_smoothed_values()
            stats["num_updates"] = updates
            best = min(best, stats["loss"])
            stats["best_loss"] = best
            checks.print(stats, tag="valid", step=updates)
        bar.print(metrics.get_smoothed_values("train"), tag="train", step=updates)
        metrics.reset_meters("train")


def rounded(values):
    return [round(value, 3) for value in values]


trained("simple.log", "simple")
trained("json.log", "json")
run = {
    "val": rounded(VAL),
    "train": rounded(TRAIN),
    "epoch": [1, 2, 3, 4, 5, 6],
    "unit": "epoch",
    "direction": "min",
}
done(kept("simple.log", run), kept("json.log", run))
