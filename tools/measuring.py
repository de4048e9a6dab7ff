"""What benchmarks share: configurations by name, processes of their own, peaks of memory."""

import multiprocessing
import resource

from absl import flags

from tfdgan import config, flagfiles
from tfdgan.errors import UserError


def configuration(name, **changes):
    """The `Config` of configs/NAME.flags, with changes."""
    path, flag_values = f"configs/{name}.flags", flags.FlagValues()
    flagfiles.define(flag_values)
    try:
        flag_values(["bench_step", f"--flagfile={path}"])
    except flags.Error as error:
        raise UserError(f"{path}: {error}") from error
    return config.Config(**{**flagfiles.given(flag_values), **changes})


def peak():
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(function, *arguments):
    """What a function returns in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)
