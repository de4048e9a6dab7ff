"""Scoring what a workdir holds, by one process or by several that share out the samples."""

import os
import time

import horovod.tensorflow as hvd
import tensorflow as tf
from tqdm import tqdm

from tfdgan import distributed, quality_diversity, score_log, style_curve
from tfdgan.errors import UserError
from tfdgan.training import best, kept, scoring
from tfdgan.training.monitor import record_scores, say

_POLL = 2.0  # seconds between looks for new checkpoints


class Evaluation:
    """Scores checkpoints of a workdir; prints, records and returns the scores.

    Args:
      trained: a `Trained`, on every learner.
      workdir: of the run; checkpoints and scores are rank 0's, the others read the flags.
      samples: generated samples for a score, or None for what training takes.
      seed: of the latents.
    """

    def __init__(self, trained, workdir, samples, seed):
        self._trained, self._workdir, self._samples, self._seed = trained, workdir, samples, seed
        # A folder of its own: TensorBoard reads one file of a folder, and training may be writing.
        self._writer = None
        if hvd.rank() == 0:
            self._writer = tf.summary.create_file_writer(os.path.join(workdir, "tensorboard", "evaluate"))

    def once(self, step):
        """Score the checkpoint `step`, as `Trained.find` takes it."""
        found, task = self._found(step), self._trained.task.config.task
        scores = self._score(*found)
        if task == "text":
            self._trade_off(*found)
        if task == "style_transfer":
            self._style_curve(scores, self._trained.steps if step is None and hvd.rank() == 0 else ())
        self._say_best()

    def _style_curve(self, scores, steps=()):
        """Style against content over the checkpoints that were scored alike, in training or here; of `steps` those that
        were not are scored first."""
        missing = None
        with distributed.together():
            if hvd.rank() == 0:
                done = {step for step, *_ in style_curve.points(self._workdir, scores)}
                missing = [step for step in steps if step not in done]
        for step in distributed.gather(missing, "evaluate.missing")[0]:
            self._score(*self._found(step))
        with distributed.together():
            if hvd.rank() == 0:
                points = style_curve.points(self._workdir, scores)
                table, plot = style_curve.write(points, self._workdir)
                say(f"style accuracy against self-BLEU over {len(points)} scored steps: {table}, {plot}")

    def _trade_off(self, step, stored, manifest):
        """Quality against diversity over temperatures, the pretrained model beside where there is one."""
        found = {f"step {step}": (stored, manifest)}
        if (pretrained := self._pretrained()) is not None:
            found["maximum likelihood"] = pretrained
        with distributed.together():
            samplers = {name: self._trained.sampler(*consensus) for name, consensus in found.items()}
        rows = quality_diversity.measure(self._trained.task, samplers, self._samples, self._seed, _bar)
        with distributed.together():
            if hvd.rank() == 0:
                table, plot = quality_diversity.write(rows, self._workdir)
                say(f"quality against diversity over temperatures: {table}, {plot}")

    def _pretrained(self):
        """(consensus, manifest) of the end of pretraining on rank 0, on every learner; None without any."""
        found = None
        with distributed.together():
            if hvd.rank() == 0 and kept.has_pretrained(self._workdir):
                found = self._trained.find("pretrained")[1:]
        return distributed.gather(found, "evaluate.pretrained")[0]

    def watch(self):
        """Score every kept checkpoint that has no such scores yet, and those to come; keep the best.

        Ends after the last step of training. A checkpoint that training removes before its turn is passed over.
        """
        passed_over, waiting, scores = set(), False, None
        while True:
            step, ended = self._next(passed_over)
            if step is None and ended:
                break
            if step is None:
                if not waiting:
                    last = self._trained.task.config.steps
                    self._say(f"waiting for checkpoints of {self._workdir} up to step {last}; Ctrl-C ends this")
                waiting = True
                time.sleep(_POLL)
                continue
            waiting = False
            try:
                found = self._found(step)
            except UserError as error:  # the same on every learner
                self._say(f"step {step} is passed over: {error}")
                passed_over.add(step)
                continue
            scores = self._score(*found)
            with distributed.together():
                if hvd.rank() == 0:
                    best.keep(self._workdir, step, scores, *found[1:])
        if scores is not None and self._trained.task.config.task == "style_transfer":
            self._style_curve(scores)
        self._say_best()

    def _found(self, step):
        """What `Trained.find` finds on rank 0, on every learner."""
        found = None
        with distributed.together():
            if hvd.rank() == 0:
                found = self._trained.find(step)
        return distributed.gather(found, "evaluate.found")[0]

    def _next(self, passed_over):
        """(the first checkpoint that has no such scores yet, or None; whether the last one is there)."""
        found = None
        with distributed.together():
            if hvd.rank() == 0:
                kept, done = self._trained.steps, self._scored_steps() | passed_over
                found = next((step for step in kept if step not in done), None), self._trained.task.config.steps in kept
        return distributed.gather(found, "watch.next")[0]

    def _scored_steps(self):
        task = self._trained.task
        wanted, judges = {"generated": task.number(self._samples), "seed": self._seed}, {}
        for record in score_log.read(self._workdir):
            signature = record["signature"]
            if "seconds" not in record and wanted.items() <= signature.items():  # training's own have seconds
                judges.setdefault(record["step"], set()).update(map(str, signature.values()))
        return {step for step, seen in judges.items() if seen >= set(task.judges)}

    def _score(self, step, stored, manifest):
        with distributed.together():
            sampler = self._trained.sampler(stored, manifest)
        options = dict(thorough=True, progress=_bar)
        scores = scoring.score(self._trained.task, sampler, self._samples, self._seed, **options)
        with distributed.together():
            if hvd.rank() == 0:
                if not scores:
                    raise UserError(_why_no_score(self._trained.task))
                say(f"step {step} of {self._workdir}")
                for score in scores:
                    say(str(score))
                record_scores(self._workdir, step, scores, self._writer, {})
        return scores

    def _say_best(self):
        if hvd.rank() == 0 and (found := best.said(self._workdir)):
            say(found)

    @staticmethod
    def _say(line):
        if hvd.rank() == 0:
            say(line)


def _bar(batches, length, what):
    return tqdm(batches, total=length, desc=what, unit="batch", disable=None)


def _why_no_score(task):
    if len(task.sample_shape) == 3:
        return "no score is known for this data without an extractor: give --inception=SAVED_MODEL_DIR"
    shape = "x".join(map(str, task.sample_shape))
    return f"no score is known for samples of shape {shape}, as --dataset={task.config.dataset} has; use export"
