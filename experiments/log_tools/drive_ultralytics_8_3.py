# /// script
# dependencies = ["ultralytics==8.3.190", "opencv-python-headless==5.0.0.93"]
# [tool.earlystop]
# formats = ["ultralytics"]
# ///
"""Ultralytics' results.csv, where the fitness is 0.1 mAP50 + 0.9 mAP50-95."""

from _yolo import drive

drive(epochs=25, of_map50=0.1, of_map=0.9)
