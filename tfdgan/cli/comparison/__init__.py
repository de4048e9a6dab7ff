"""Comparisons of several ways to train, run over several seeds: the command `python -m tfdgan.compare`."""
