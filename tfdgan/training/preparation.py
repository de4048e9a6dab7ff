"""What learners agree on before the first step: flags, matrices, a workdir, who carries the exchange."""

import os

import horovod.tensorflow as hvd
import tensorflow as tf
from horovod.common.exceptions import HorovodInternalError

from tfdgan import distributed, files, flagfiles
from tfdgan.errors import SharedError, UserError
from tfdgan.gossip import backends, topology
from tfdgan.gossip.native import build
from tfdgan.gossip.native.assembly import Assembly


def horovod_in_steps(config):
    """True if a training step will use Horovod's collectives, as far as this learner can tell by itself."""
    if config.gossips:
        return config.gossip_backend not in ("auto", "native") or not build.is_possible()
    return config.strategy == "centralized"


def start_gossip(config):
    """Set up what carries the mixes. Returns the `Assembly` that the native exchange offers, or None."""
    if not config.gossips or hvd.size() == 1:
        return None
    backend = "native" if config.needs_native else config.gossip_backend
    schedule = config.schedule(hvd.size())
    backend = backends.start(backend, config.gossip_timeout, config.on_peer_loss, config.link_mbit, schedule)
    return Assembly(config.gossip_timeout, config.on_peer_loss == "degrade") if backend == "native" else None


def check_same(config):
    """All learners were given the same flags, or none trains."""
    try:
        first, *others = distributed.gather(config, "config")
    except (tf.errors.OpError, HorovodInternalError) as error:
        raise UserError(
            f"Horovod ended while learners compared their flags, as it does if only some have "
            f"--gossip_backend={config.gossip_backend}; start all learners with the same"
        ) from error
    for learner, other in enumerate(others, start=1):
        different = flagfiles.differences(other, first, ignore="local")
        if different:
            raise SharedError(
                f"learner {learner} was given other flags than learner 0: {'; '.join(different)}; "
                "start all learners with the same"
            )


def check_same_data(config, digest):
    """What samples' numbers mean must be the same for all learners; `digest`: what this one's data says."""
    first, *others = distributed.gather(digest, "data")
    for learner, other in enumerate(others, start=1):
        if other != first:
            raise SharedError(
                f"--dataset={config.dataset}: learner {learner} reads other words than learner 0; copy one to all hosts"
            )


def check_same_matrix(config):
    """A mixing matrix from a file may differ between hosts; then no mean would be kept."""
    if config.gossips and config.topology not in topology.NAMES:
        first, *others = distributed.gather(config.schedule(hvd.size()).matrix(0).tobytes(), "matrix")
        for learner, other in enumerate(others, start=1):
            if other != first:
                raise SharedError(
                    f"--topology={config.topology}: learner {learner} reads another matrix than learner 0; "
                    "copy one file to all hosts"
                )


def prepare_workdir(config):
    """Raise `UserError` unless the workdir is new or of the same configuration, and can be written."""
    if not config.workdir:
        raise UserError("--workdir is missing: give a folder for checkpoints and logs")
    if os.path.isfile(os.path.join(config.workdir, flagfiles.FLAGFILE)):
        then = flagfiles.load(config.workdir)
        different = flagfiles.differences(config, then, ignore="free")
        if config.steps_matter and then.steps != config.steps:
            different.append(f"steps: {then.steps} -> {config.steps} ({config.steps_matter} depends on it)")
        if different:
            raise UserError(
                f"--workdir={config.workdir}: was trained with other flags; {'; '.join(different)}; use another folder"
            )
    try:
        os.makedirs(config.workdir, exist_ok=True)
        with files.replacing(os.path.join(config.workdir, f".writable.{hvd.rank()}")):
            pass
        os.remove(os.path.join(config.workdir, f".writable.{hvd.rank()}"))
    except OSError as error:
        raise UserError(f"--workdir={config.workdir}: cannot be written ({error.strerror})") from error
