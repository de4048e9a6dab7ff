from .job import rank as rank
from .job import size as size
from .job import start as start
