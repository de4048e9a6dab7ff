"""The training loop and what it keeps: trainers, checkpoints, monitoring."""
