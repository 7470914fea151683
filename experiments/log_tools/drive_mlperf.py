# /// script
# dependencies = ["mlperf-logging==4.1.68"]
# [tool.earlystop]
# formats = ["mlperf"]
# ///
"""MLPerf's own logger: a benchmark whose eval_accuracy is a score, and one where it is a loss."""

from _numbers import TRAIN, VAL, arguments, done, kept
from mlperf_logging import mllog

folder = arguments()


def train(benchmark, place, positions):
    name = f"{benchmark}.log"
    mllog.get_mllogger().logger.handlers.clear()  # it would write on into the file before
    mllog.config(filename=str(folder / name), root_dir=str(folder))
    log = mllog.get_mllogger()
    log.event(key="submission_benchmark", value=benchmark)
    log.start(key="run_start")
    for at, train, val in zip(positions, TRAIN, VAL, strict=True):
        log.event(key="tracked_stats", value={"train_loss": train}, metadata={place: at})
        log.event(key="eval_accuracy", value=val, metadata={place: at})
    log.end(key="run_stop", metadata={"status": "success"})
    return name


epochs, samples = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0], [320 * k for k in range(1, 7)]
done(
    kept(
        train("resnet", "epoch_num", epochs),
        {"val": VAL, "train": TRAIN, "epoch": epochs, "unit": "epoch", "direction": "max"},
    ),
    kept(
        train("llama2_70b_lora", "samples_count", samples),
        {"val": VAL, "train": TRAIN, "epoch": samples, "unit": "sample", "direction": "min"},
    ),
)
