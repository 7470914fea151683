#!/usr/bin/env bash
# What: optax.contrib.reduce_on_plateau compares a value with (1 - rtol) times the best one. Of a
#   negative loss that is a larger number: a value worse by less than rtol counts as an improvement
#   and becomes the best one, so the record gets worse and the rate is never reduced.
# Version: optax 0.2.6 with jax 0.10.2
# Why it matters: log likelihoods, ELBOs and losses of contrastive models are negative. The same
#   curve raised by 20 reduces the rate six times.
# Wrong guess: a worse value is no improvement, whatever its sign.
# Seen: a loss that rises from -10 to -5.6: scale 1, best value -5.6; from 10 to 14.4: scale 1e-6,
#   best value 10; with rtol=0 and atol=0.05 both alike
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    optax==0.2.6 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 || exit 2
venv/bin/python - <<'EOF'
import sys

import jax.numpy as jnp
import numpy as np
import optax


def reduced(losses, **tolerances):
    """The scale of the rate and the best value after these losses."""
    plateau = optax.contrib.reduce_on_plateau(factor=0.1, patience=3, **tolerances)
    params = {"w": jnp.zeros(1)}
    state = plateau.init(params)
    for loss in losses:
        _, state = plateau.update({"w": jnp.ones(1)}, state, params, value=jnp.float32(loss))
    return float(state.scale), float(state.best_value)


worse = -10 * 0.97 ** np.arange(20)  # rises by 3% at each step
relative = {"rtol": 0.05, "atol": 0.0}
absolute = {"rtol": 0.0, "atol": 0.05}
print("optax", optax.__version__)
print(f"a loss that only rises, from {worse[0]:g} to {worse[-1]:.1f}")
negative, positive = reduced(worse, **relative), reduced(worse + 20, **relative)
print(f"rtol=0.05: scale {negative[0]:.0e}, best value {negative[1]:.1f}")
print(f"rtol=0.05, raised by 20: scale {positive[0]:.0e}, best value {positive[1]:.1f}")
safe, raised = reduced(worse, **absolute), reduced(worse + 20, **absolute)
print(f"atol=0.05: scale {safe[0]:.0e}, best value {safe[1]:.1f}")
print("guess: the best value stays -10, and the rate is reduced as for the raised curve")

kept = np.isclose(negative, (1, worse[-1])).all()
differs = np.isclose(positive[0], 1e-6) and np.isclose(positive[1], 10)
still = kept and differs and np.isclose(safe, (raised[0], raised[1] - 20)).all()
if not still:
    sys.exit("NO LONGER SO: a worse negative loss is no improvement any more")
print("as recorded")
EOF
