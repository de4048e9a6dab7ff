"""The command `python -m tfdgan.evaluate`: score the consensus generator of a training run.

Under horovodrun the samples are shared out among the learners.
"""

import sys

from absl import flags

from tfdgan import command, flagfiles
from tfdgan.errors import UserError


def _define(flag_values):
    command.define_workdir(flag_values)
    flags.DEFINE_string(
        "inception",
        None,
        "SavedModel with outputs pool_3 and logits, by which images are scored.",
        flag_values=flag_values,
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data, if not as in training.", flag_values=flag_values)
    flags.DEFINE_string(
        "references", None, "People's rewritings, if others than in training (style_transfer).", flag_values=flag_values
    )
    flags.DEFINE_integer("samples", None, "Generated samples for a score.", lower_bound=2, flag_values=flag_values)
    flags.DEFINE_integer("seed", 0, "Of the latents.", lower_bound=0, flag_values=flag_values)
    flags.DEFINE_boolean(
        "watch",
        False,
        "Score every checkpoint that has no such scores yet, and those to come, until the last step; keep the best.",
        flag_values=flag_values,
    )


def main(argv):
    flag_values = command.parse(argv, _define)
    (workdir,) = command.required(flag_values, "workdir")
    names = ("inception", "data_dir", "references")
    changes = {name: flag_values[name].value for name in names if flag_values[name].value is not None}
    if flag_values.watch and flag_values.step is not None:
        raise UserError("--watch: scores every checkpoint; leave --step out")
    flagfiles.load(workdir, **changes).check_extractor()

    from tfdgan import distributed
    from tfdgan.evaluation import Evaluation
    from tfdgan.trained import Trained

    distributed.start()
    with distributed.together():
        trained = Trained(workdir, **changes)
    evaluation = Evaluation(trained, workdir, flag_values.samples, flag_values.seed)
    if flag_values.watch:
        evaluation.watch()
    else:
        evaluation.once(flag_values.step)


if __name__ == "__main__":
    command.run(main, sys.argv)
