"""Whether training can start in this environment: what is there, what is missing, and what mends it."""
