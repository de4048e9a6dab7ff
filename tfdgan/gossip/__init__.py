"""Neighbour averaging: topologies, schedules and the exchange itself.

`topology` and `schedule` need NumPy only. The exchanges bring TensorFlow and Horovod, so they are loaded when they are
first used.
"""

import lazy_loader

BACKENDS = ("auto", "native", "horovod", "horovod_pairs")
MOST_ROUNDS = 64  # of one mix; on any graph worth using far fewer rounds give the mean
COMPRESSIONS = ("none", "int8", "top_k")
WIRE_DTYPES = ("float32", "bfloat16", "float16")
WIRE_SECURITIES = ("auto", "none", "authenticated", "encrypted")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
