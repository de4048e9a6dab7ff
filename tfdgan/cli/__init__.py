"""The program: flags, and what the commands `train`, `evaluate`, `generate` and `export` do with them."""
