"""Neighbour averaging: topologies, schedules and the exchange itself.

`topology` and `schedule` need NumPy only; the exchanges bring TensorFlow and Horovod, so they are loaded when
first used.
"""

import os

# Horovod reads both in hvd.init(), which may come any time after this import. Group fusion changes the order
# of sums from run to run; process sets made after init are what the horovod_pairs backend stands on.
os.environ.setdefault("HOROVOD_DISABLE_GROUP_FUSION", "1")
os.environ.setdefault("HOROVOD_DYNAMIC_PROCESS_SETS", "1")

BACKENDS = ("auto", "native", "horovod", "horovod_pairs")
MOST_ROUNDS = 64  # in a mix; far fewer make a mean of any graph worth using
COMPRESSIONS = ("none", "int8", "top_k")
WIRE_DTYPES = ("float32", "bfloat16", "float16")

_EXCHANGES = ("begin", "begin_gather", "begin_late", "forget", "mix")

__all__ = ["BACKENDS", "COMPRESSIONS", "MOST_ROUNDS", "WIRE_DTYPES", *_EXCHANGES]


def __getattr__(name):
    if name in _EXCHANGES:
        from tfdgan.gossip import neighbor_exchange

        return getattr(neighbor_exchange, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
