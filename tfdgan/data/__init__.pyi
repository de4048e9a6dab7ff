from .arrays import ArraySource as ArraySource
from .given import from_user as from_user
from .named import load as load
from .records import RecordSource as RecordSource
from .source import Source as Source
