from .linear_decay import LinearDecay as LinearDecay
from .linear_decay import schedule_of as schedule_of
from .optimistic_adam import OptimisticAdam as OptimisticAdam
