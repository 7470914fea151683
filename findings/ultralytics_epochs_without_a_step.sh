#!/usr/bin/env bash
# What: Ultralytics gathers gradients over a nominal batch of 64 images (nbs=64), across the ends of
#   epochs. With 12 training images in batches of 3, several epochs in a row pass without a step of
#   the optimizer: their validation losses are equal to the last digit.
# Version: ultralytics 8.4.190
# Why it matters: patience counts these epochs as checks without an improvement, so patience=3 stops
#   here before the weights have changed once. On small data sets, patience and the curve of
#   results.csv measure repetitions of one model.
# Wrong guess: every epoch makes as many steps as it has batches, and the validation loss changes.
# Seen: nbs=64: val/cls_loss takes 2 values in 8 epochs; nbs=3, the batch: 8 values.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 ultralytics==8.4.190 \
    opencv-python-headless==5.0.0.93 || exit 2
export YOLO_OFFLINE=true YOLO_AUTOINSTALL=false YOLO_CONFIG_DIR="$tmp"
cat > show.py <<'EOF2'
import csv
import sys
import types
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from ultralytics import YOLO
from ultralytics.utils.nms import TorchNMS

# torchvision cannot be imported beside another build of torch; only its nms is called here
vision = types.ModuleType("torchvision")
vision.ops = types.SimpleNamespace(nms=TorchNMS.nms)
sys.modules["torchvision"] = vision
EPOCHS = 8
random = np.random.default_rng(0)
for split in ("train", "val"):
    for kind in ("images", "labels"):
        Path("data", kind, split).mkdir(parents=True)
    for k in range(12):
        picture = random.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        x, y = random.integers(8, 40, 2)
        picture[y : y + 16, x : x + 16] = 250
        cv2.imwrite(f"data/images/{split}/{k}.png", picture)
        label = f"0 {(x + 8) / 64} {(y + 8) / 64} 0.25 0.25\n"
        Path(f"data/labels/{split}/{k}.txt").write_text(label)
settings = Path("squares.yaml")
settings.write_text(
    f"path: {Path('data').absolute()}\ntrain: images/train\nval: images/val\nnames: [square]\n"
)


def losses(name, **options):
    """The validation loss of every epoch, from results.csv."""
    YOLO("yolov8n.yaml").train(
        data=str(settings), epochs=EPOCHS, imgsz=64, batch=3, optimizer="AdamW", lr0=0.002,
        warmup_epochs=0, mosaic=0, amp=False, plots=False, workers=0, device="cpu",
        verbose=False, project=str(Path("runs").absolute()), name=name, **options,
    )
    with open(f"runs/{name}/results.csv") as file:
        return [float(row["val/cls_loss"]) for row in csv.DictReader(file)]


nominal = losses("nominal")
every_batch = losses("every_batch", nbs=3)
print("ultralytics", version("ultralytics"))
print("nbs=64 (default): val/cls_loss", *nominal)
print("nbs=3, the batch: val/cls_loss", *every_batch)
print("guess: the loss changes at every epoch in both")

still = len(set(nominal)) <= EPOCHS // 3 and len(set(every_batch)) == EPOCHS
if not still:
    sys.exit("NO LONGER SO: the number of epochs that end without a step has changed")
print("as recorded")
EOF2
venv/bin/python -W ignore show.py
