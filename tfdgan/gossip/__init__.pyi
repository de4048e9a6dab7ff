from . import topology as topology
from .base import Begun as Begun
from .base import Exchange as Exchange
from .base import RoundExchange as RoundExchange
from .neighbor_exchange import begin as begin
from .neighbor_exchange import begin_gather as begin_gather
from .neighbor_exchange import begin_late as begin_late
from .neighbor_exchange import forget as forget
from .neighbor_exchange import mix as mix

BACKENDS: tuple[str, ...]
MOST_ROUNDS: int
COMPRESSIONS: tuple[str, ...]
WIRE_DTYPES: tuple[str, ...]
WIRE_SECURITIES: tuple[str, ...]
