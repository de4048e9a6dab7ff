"""The learners' side of tools/bench_exchange.py."""
