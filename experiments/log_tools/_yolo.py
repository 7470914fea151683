"""A small detector trained by Ultralytics on bright squares, for its results.csv."""

import math
import os
import sys
import types

import numpy as np
from _numbers import arguments, done, kept

folder = arguments()
made = folder.parent
os.environ |= {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_CONFIG_DIR": str(made),
}


def without_torchvision():
    """Stand in for torchvision, which can be imported only if its build is that of torch.

    Nothing of it is called here but its suppression of overlapping boxes.
    """
    package, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
    package.ops = ops
    ops.nms = _nms
    sys.modules |= {"torchvision": package, "torchvision.ops": ops}


def _nms(boxes, scores, iou_threshold):
    """The indices of the boxes kept, best first: greedy suppression."""
    import torch

    order, keep = scores.argsort(descending=True), []
    corners = boxes.double()
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    while len(order):
        first, order = order[0], order[1:]
        keep.append(first)
        low = torch.maximum(corners[first, :2], corners[order, :2])
        high = torch.minimum(corners[first, 2:], corners[order, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        order = order[shared / (areas[first] + areas[order] - shared) <= iou_threshold]
    return torch.stack(keep) if keep else scores.new_zeros(0, dtype=torch.long)


def pictures(count):
    """The settings of a data set: some squares for training and as many for validation."""
    import cv2

    random = np.random.default_rng(0)
    data = made / "data"
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (data / kind / split).mkdir(parents=True)
        for k in range(count):
            picture = random.integers(0, 60, (64, 64, 3), dtype=np.uint8)
            x, y = random.integers(8, 40, 2)
            picture[y : y + 16, x : x + 16] = 250
            cv2.imwrite(str(data / "images" / split / f"{k}.png"), picture)
            label = f"0 {(x + 8) / 64} {(y + 8) / 64} 0.25 0.25\n"
            (data / "labels" / split / f"{k}.txt").write_text(label)
    settings = data / "squares.yaml"
    settings.write_text(f"path: {data}\ntrain: images/train\nval: images/val\nnames: [square]\n")
    return settings


def drive(epochs, of_map50, of_map):
    """Train, and hand over the losses and the fitness, with the weights of this version.

    The trainer rounds the metrics that it records and the fitness to five decimals each.
    """
    without_torchvision()
    from ultralytics import YOLO

    record = {"fitness": [], "train": [], "val/box_loss": [], "metrics/mAP50(B)": []}

    def keep(trainer):
        if len(record["fitness"]) == epochs:  # called once more, for the best weights
            return
        metrics = trainer.metrics
        fitness = of_map50 * metrics["metrics/mAP50(B)"] + of_map * metrics["metrics/mAP50-95(B)"]
        if abs(fitness - trainer.fitness) > 1.1e-5:
            raise SystemExit(f"the trainer's fitness is {trainer.fitness}; expected {fitness}")
        record["fitness"].append(fitness)
        record["train"].append(sum(trainer.label_loss_items(trainer.tloss).values()))
        for name in ("val/box_loss", "metrics/mAP50(B)"):
            record[name].append(float(metrics[name]))

    model = YOLO("yolov8n.yaml")
    model.add_callback("on_fit_epoch_end", keep)
    model.train(
        data=str(pictures(12)),
        epochs=epochs,
        imgsz=64,
        batch=3,
        # the nominal batch, so that every batch is a step
        nbs=3,
        optimizer="AdamW",
        lr0=0.002,
        lrf=1.0,
        warmup_epochs=0,
        mosaic=0,
        amp=False,
        plots=False,
        workers=0,
        device="cpu",
        verbose=False,
        project=str(folder),
        name="squares",
    )
    if not max(record["fitness"]) > 0 or not all(map(math.isfinite, record["train"])):
        raise SystemExit("the detector learned nothing; expected a fitness above 0")
    run = {
        "val": record.pop("fitness"),
        **record,
        "epoch": list(range(1, epochs + 1)),
        "unit": "epoch",
        "direction": "max",
    }
    done(kept("squares", run, says=["val is Ultralytics' fitness"]))
