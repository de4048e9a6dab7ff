"""The command `python -m tfdgan.evaluate`: score the consensus generator of a training run.

Under horovodrun the samples are shared out among the learners.
"""

import sys

from tfdgan.cli import command, flagfiles, loading
from tfdgan.cli.options import EvaluateOptions
from tfdgan.errors import UserError
from tfdgan.options import references


def main(argv: list[str]) -> None:
    """Parse the flags and score."""
    given = command.parse_options(argv, EvaluateOptions)
    (path,) = command.require(given, "workdir")
    options = EvaluateOptions(**given)
    changed = ("inception", "data_dir", "dataset", "references", "beam")
    changes = {name: given[name] for name in changed if name in given}
    if options.watch and options.step:
        raise UserError("--watch: scores every checkpoint; leave --step out")
    trained = flagfiles.load(path, **changes)
    for name, value in changes.items():
        if name in ("beam", "references") and name in trained.without_effect():
            raise UserError(f"--{name}={value}: means nothing for --task={trained.task}")
    trained.check_judges()

    loading.load_tensorflow(whole=references.named_in(trained))
    from tfdgan import distributed
    from tfdgan.cli.score_checkpoints import CheckpointScorer
    from tfdgan.cli.workdir import Workdir
    from tfdgan.distributed import collectives

    distributed.start()
    with collectives.together():
        workdir = Workdir(path, **changes)
    scorer = CheckpointScorer(workdir, options.samples or None, options.seed, options.format)
    if options.watch:
        scorer.watch()
    else:
        scorer.once(options.step or None)


if __name__ == "__main__":
    command.run(main, sys.argv)
