"""Where a run begins: at step 0, at the newest checkpoint, or at the consensus of one that other learners wrote."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

from tfdgan import distributed
from tfdgan.distributed import collectives, job
from tfdgan.errors import UserError
from tfdgan.training import consensus
from tfdgan.training.checkpoints import Checkpoints
from tfdgan.training.monitor import say
from tfdgan.training.options import RunOptions
from tfdgan.training.record import say_once
from tfdgan.training.trainer import Trainer


def resume(
    trainer: Trainer,
    checkpoints: Checkpoints,
    options: RunOptions,
    facts: Mapping[str, Any],
    data: str,
    samples: str = "",
) -> tuple[int, int]:
    """Restore the newest sound checkpoint, if there is one; all learners call it together.

    Args:
      facts: what the task's data have in common with those that the run was trained on, such as words' numbers.
      data: names the data in errors.
      samples: the number of learners at the start, a blank, and a text, which is another one if any learner has other
        samples. Of another number of learners each has others, and nothing is compared: also where some were lost
        before the checkpoint.

    Returns:
      (steps done, the learner whose workdir has what the run has left so far).

    Raises:
      UserError: the checkpoint is of other data, or of another model.
    """
    rank = distributed.rank()
    found, wrong = checkpoints.newest()
    for text in wrong:
        say_once(f"warning: a checkpoint is not whole: {text}")
    if found is None:
        say_once(f"training {options.steps} steps on {distributed.size()} learner(s), {options.workdir}")
        return 0, 0
    with collectives.together():
        if rank == found.holder:
            manifest = checkpoints.manifest(found.step)
            alike = manifest.get("samples", "").split(" ")[0] == samples.split(" ")[0]
            known = {**facts, "samples": samples} if alike else facts
            _check_facts(manifest, known, f"{data}: not the data that {options.workdir}")
    if found.whole:
        with collectives.together():
            checkpoints.load(found.step, trainer.state)
        say_once(f"resuming at step {found.step}")
    else:
        consensus.start_from(trainer, checkpoints, found)
        say_once(
            f"starting at step {found.step} from the consensus: that checkpoint does not hold a state for each of "
            f"these {distributed.size()} learner(s), so optimizers begin anew"
        )
    trainer.continue_from(found.step)
    if rank == found.holder:
        _warn_of_threads(checkpoints.manifest(found.step))
    return found.step, found.holder


_HASHES = ("data", "samples")  # of all learners' samples; of each learner's


def _check_facts(manifest: Mapping[str, Any], facts: Mapping[str, Any], whose: str) -> None:
    """Raise `UserError` if the data has other facts than the checkpoint."""
    for name, now in json.loads(json.dumps(facts)).items():
        then = manifest.get(name, now)
        if then == now:
            continue
        if name in _HASHES:
            raise UserError(f"{whose} was trained on: samples, or their order, have changed; use another workdir")
        difference = f"{then} -> {now}"
        if isinstance(then, list) and isinstance(now, list):
            pairs = itertools.zip_longest(then, now)
            place, (old, new) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
            difference = f"place {place} was {old!r} and is {new!r}"
            gone, added = ([item for item in one if item not in other] for one, other in ((then, now), (now, then)))
            for word, items in (("no longer there", gone), ("new", added)):
                difference += f", {word}: {', '.join(map(repr, items[:3]))}" if items else ""
        raise UserError(f"{whose} was trained on; {name}: {difference}; use another workdir")


def _warn_of_threads(manifest: Mapping[str, Any]) -> None:
    then = tuple(manifest.get("threads", ()))
    if then != job.threads():
        say(
            f"warning: {job.threads()} threads (intra, inter), the checkpoint had {then}: "
            "the run will not be the same bit for bit"
        )
