"""Horovod's module, loaded when it is first used: runs that do without Horovod need not have it."""

import sys
from typing import TYPE_CHECKING, Any

from tfdgan.errors import UserError

if TYPE_CHECKING:
    import horovod.tensorflow as hvd
else:

    class _Horovod:
        def __getattr__(self, name: str) -> Any:
            try:
                import horovod.tensorflow
            except ImportError as error:
                words = "Horovod, which starts several learners, does not load here"
                raise UserError(f"{words} ({error}); set it up, or start without it by --rendezvous") from error
            return getattr(horovod.tensorflow, name)

    hvd = _Horovod()

__all__ = ["hvd", "is_internal_error", "is_loaded"]


def is_loaded() -> bool:
    """True if somebody has loaded Horovod's module."""
    return "horovod.tensorflow" in sys.modules


def is_internal_error(error: BaseException) -> bool:
    """True if Horovod has raised the error because a collective failed, as when a learner has gone."""
    return type(error).__name__ == "HorovodInternalError"
