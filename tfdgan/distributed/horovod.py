"""Horovod's module, loaded when it is first used: runs that do without Horovod need not have it."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    import horovod.tensorflow as hvd
else:
    hvd = lazy_loader.load("horovod.tensorflow", suppress_warning=True)

__all__ = ["hvd"]
