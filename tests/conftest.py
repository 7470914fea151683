"""What every test needs before it imports anything."""

import os

# the backend that compares in float64, as we do
os.environ.setdefault("KERAS_BACKEND", "numpy")
