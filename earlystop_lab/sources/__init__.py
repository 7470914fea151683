"""Sources of curve sets: training logs, simulators, public corpora, recorded training."""
