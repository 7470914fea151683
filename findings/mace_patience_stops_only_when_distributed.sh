#!/usr/bin/env bash
# What: a training with MACE in one process logs that it stops for want of improvement, and goes on to
#   its last epoch: --patience ends trainings with --distributed only.
# Version: mace-torch 0.3.16, torch 2.13.0 (any build of torch), e3nn 0.4.4
# Why it matters: epochs are paid for that the log calls stopped. The model is that of the lowest loss
#   nevertheless, so only the time shows it; a replay of the log with the same patience says less.
# Wrong guess: training ends at "Stopping optimization after 2 epochs without improvement".
# Seen: of at most 8 epochs at a learning rate of 0, all equal, patience 2 lets all 8 pass, and says of
#   six of them that it stops
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    mace-torch==0.3.16 torch==2.13.0 e3nn==0.4.4 ase==3.29.0 numpy==2.4.6 || exit 2
venv/bin/python -W ignore - <<'EOF'
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

molecules = ""
for i in range(8):
    far = 0.7 + 0.05 * i
    molecules += (
        "2\n"
        "Properties=species:S:1:pos:R:3:REF_forces:R:3 "
        f'REF_energy={(far - 0.8) ** 2:.6f} pbc="F F F"\n'
        f"H 0 0 0 0 0 0\nH {far:.3f} 0 0 0 0 0\n"
    )
Path("h2.xyz").write_text(molecules)
settings = {
    "name": "h2",
    "train_file": "h2.xyz",
    "valid_fraction": 0.25,
    "E0s": "average",
    "model": "MACE",
    "r_max": 3.0,
    "hidden_irreps": "4x0e",
    "num_interactions": 1,
    "correlation": 1,
    "max_ell": 1,
    "batch_size": 2,
    "valid_batch_size": 2,
    "max_num_epochs": 8,
    "patience": 2,
    "lr": 0.0,
    "device": "cpu",
    "seed": 1,
    "work_dir": "out",
}
command = [Path(sys.executable).with_name("mace_run_train")]
command += [part for name, value in settings.items() for part in (f"--{name}", str(value))]
done = subprocess.run(command, capture_output=True, text=True)
log = done.stdout + done.stderr
if done.returncode:
    sys.exit(log)
epochs = len(re.findall(r"INFO: Epoch \d+: head: Default", log))
said = len(re.findall("Stopping optimization after", log))
print("mace-torch", version("mace-torch"), "torch", version("torch"))
print(f"epochs trained: {epochs} of 8; lines that say it stops: {said}")
print("guess: 3 epochs, 1 line")

still = (epochs, said) == (8, 6)
if not still:
    sys.exit("NO LONGER SO: a training in one process ends when its patience is exhausted")
print("as recorded")
EOF
