"""Many learners in one process, and what an iteration of theirs would cost: what tools/simulate.py is made of."""
