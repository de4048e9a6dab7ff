"""The command `python -m tfdgan.evaluate`: score the consensus generator of a training run."""

import os
import sys

from absl import flags

from tfdgan import command, config


def _define(flag_values):
    command.define_workdir(flag_values)
    flags.DEFINE_string(
        "inception",
        None,
        "SavedModel with outputs pool_3 and logits, by which images are scored.",
        flag_values=flag_values,
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data, if not as in training.", flag_values=flag_values)
    flags.DEFINE_integer("samples", None, "Generated samples for a score.", lower_bound=2, flag_values=flag_values)
    flags.DEFINE_integer("seed", 0, "Of the latents.", lower_bound=0, flag_values=flag_values)


def _why_no_score(task):
    if len(task.sample_shape) == 3:
        return "no score is known for this data without an extractor: give --inception=SAVED_MODEL_DIR"
    shape = "x".join(map(str, task.sample_shape))
    return f"no score is known for samples of shape {shape}, as --dataset={task.config.dataset} has; use export"


def main(argv):
    flag_values = command.parse(argv, _define)
    (workdir,) = command.required(flag_values, "workdir")
    changes = {
        name: flag_values[name].value for name in ("inception", "data_dir") if flag_values[name].value is not None
    }
    config.load(workdir, **changes).check_extractor()

    import tensorflow as tf
    from tqdm import tqdm

    from tfdgan import trained
    from tfdgan.errors import UserError
    from tfdgan.training.monitor import record_scores

    task, sampler, step = trained.load(workdir, flag_values.step, **changes)
    scores = task.scores(
        sampler, flag_values.samples, flag_values.seed, progress=lambda it: tqdm(it, unit="batch", disable=None)
    )
    if not scores:
        raise UserError(_why_no_score(task))
    print(f"step {step} of {workdir}")
    for score in scores:
        print(score)
    writer = tf.summary.create_file_writer(os.path.join(workdir, "tensorboard"))
    record_scores(workdir, step, scores, writer, {})


if __name__ == "__main__":
    command.run(main, sys.argv)
