"""`train`: from a configuration and a task to a trained consensus generator, resumable at every checkpoint."""

import itertools
import json
import os
import re

import horovod.tensorflow as hvd
import tensorflow as tf
from horovod.common.exceptions import HorovodInternalError

from tfdgan import __version__, distributed, files, flagfiles
from tfdgan.errors import LocalFault, TrainingFault, UserError
from tfdgan.gossip import backends
from tfdgan.training import best, consensus, kept, preparation, scoring, trainers
from tfdgan.training.checkpoints import Checkpoints
from tfdgan.training.monitor import Monitor, say
from tfdgan.training.noise import Noise
from tfdgan.training.stop_request import StopRequest
from tfdgan.training.tick import Ticker


def train(config, task):
    """Train to `config.steps` steps, going on from the workdir's newest checkpoint.

    Every learner calls it. A step mixes or reduces as the strategy says and exchanges nothing else; ticks, scores
    and checkpoints involve all learners.

    Returns:
      The `Sampler` of the consensus after the last step, on every learner.

    Raises:
      UserError: input that cannot be used, before the first step; the same on every learner.
      TrainingFault: NaN or Inf in a loss or a gradient.
    """
    distributed.start(config.gossip_backend == "horovod_pairs", preparation.horovod_in_steps(config))
    preparation.check_same(config)
    with distributed.together():
        config.check_files()
        config.check_learners(hvd.size())
        if config.gossip_backend == "horovod_pairs" and not distributed.allows_process_sets():
            raise UserError("--gossip_backend=horovod_pairs: call tfdgan.distributed.start(process_sets=True) first")
    preparation.check_same_matrix(config)
    assembly = preparation.start_gossip(config)
    with distributed.together():
        preparation.prepare_workdir(config)
    with distributed.together():
        remarks = task.prepare() if hvd.local_rank() == 0 else []
    with distributed.together():
        source = task.source(hvd.rank(), hvd.size())
        task.check(source)
    preparation.check_same_data(config, task.digest)
    with distributed.together():
        generator, critic = task.build_models(source.sample_shape, source.classes)
        trainer = trainers.make(config, generator, critic, Noise(config.seed, hvd.rank()), hvd.size())
    run = _Run(config, task, trainer)
    for remark in remarks:
        run.say(f"note: {remark}")
    start = run.start()
    with distributed.together():
        run.open(start)
    distributed.gather_by(assembly)
    try:
        return run.steps(source, start)
    except LocalFault as error:
        raise LocalFault(f"{error}; last good checkpoint: {run.last_good()}") from error
    except (tf.errors.OpError, HorovodInternalError) as error:
        raise run.explained(error) from error
    finally:
        distributed.gather_by(None)


class _Run:
    """One call of `train`: what its phases share."""

    def __init__(self, config, task, trainer):
        self._config, self._task, self._trainer = config, task, trainer
        self._checkpoints = Checkpoints(config.workdir, hvd.rank(), hvd.size(), config.keep_checkpoints)
        self._monitor, self._picture, self._lost = None, None, {}

    def start(self):
        """Restore the newest checkpoint or begin anew; returns the number of steps already done."""
        distributed.broadcast_to_all([v for variables in self._trainer.state.values() for v in variables])
        self._trainer.draw_apart(hvd.rank())
        self._trainer.reset()
        found = self._checkpoints.newest()
        if found is None:
            self.say(f"training {self._config.steps} steps on {hvd.size()} learner(s), {self._config.workdir}")
            return 0
        step, whole = found
        with distributed.together():
            if hvd.rank() == 0:
                self._check_facts(self._checkpoints.manifest(step))
        if whole:
            with distributed.together():
                self._checkpoints.load(step, self._trainer.state)
            self.say(f"resuming at step {step}")
            self._say_skipped(step)
        else:
            consensus.start_from(self._trainer, self._checkpoints, step)
            self.say(
                f"starting at step {step} from the consensus: that checkpoint does not hold a state for each of these "
                f"{hvd.size()} learner(s), so optimizers begin anew"
            )
        self._trainer.go_on_from(step)
        if hvd.rank() == 0:
            self._warn_of_threads(step)
        return step

    def _check_facts(self, manifest):
        """Numbers must mean now what they meant when the weights learnt them."""
        for name, now in json.loads(json.dumps(self._task.facts)).items():
            then = manifest.get(name, now)
            if then == now:
                continue
            difference = f"{then} -> {now}"
            if name == "vocabulary":
                pairs = itertools.zip_longest(then, now)
                place, (old, new) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
                difference = f"word {place} was {old!r} and is {new!r}"
            raise UserError(
                f"--dataset={self._config.dataset}: not the data that {self._config.workdir} was trained on; "
                f"{name}: {difference}; use another folder"
            )

    def _say_skipped(self, step):
        newer = [s for s in self._checkpoints.committed() if s > step]
        if newer and hvd.rank() == 0:
            say(f"warning: {self._checkpoints.folder(newer[-1])} was passed over: a learner misses its file")

    def open(self, start):
        """Keep the flags in each host's workdir, where resuming and the other commands read them; open the logs."""
        if hvd.local_rank() == 0:
            files.write_text(os.path.join(self._config.workdir, flagfiles.FLAGFILE), self._config.to_flags())
        if hvd.rank() == 0:
            self._monitor = Monitor(self._config, start)
            for name in self._config.without_effect():
                say(f"note: --{name} has no effect beside the other flags")

    def steps(self, source, start):
        """Run the steps from `start`; returns the consensus `Sampler`."""
        config, trainer = self._config, self._trainer
        count = config.batch_size * trainer.batches_a_step
        stream = source.stream(count, config.seed, start, labelled=config.labelled)
        batches = iter(stream.with_options(_light()).prefetch(2))
        ticker = Ticker(trainer, count, config.seed)
        reached, sampler = start, None
        with StopRequest() as stop:
            while reached < config.steps:
                steps = min(config.steps_per_loop, self._next_event(reached) - reached)
                names = trainer.metrics_at(reached)
                means = trainer.steps(*(tf.constant(n, tf.int64) for n in (reached, steps)), batches)
                ticker.add(names, means, steps)
                reached += steps
                last = reached == config.steps
                scores_now = config.eval_every > 0 and _due(reached, config.eval_every, last)
                save_now = _due(reached, config.checkpoint_every, last) or reached == config.pretraining_steps
                if not (scores_now or save_now or reached % config.log_every == 0):
                    continue
                report = ticker.exchange(reached, stop.requested)
                self._meet_losses(reached)
                if report.fault:
                    raise self._fault(*report.fault)
                if hvd.rank() == 0:
                    self._monitor.tick(reached, report.scalars)
                if report.stop or save_now or scores_now:
                    sampler = self._together(reached, save_now or report.stop, scores_now)
                    ticker.skip()
                if report.stop and not last:
                    self.say(f"stopped on request at step {reached}; the same command goes on from there")
                    break
        if sampler is None:  # nothing was left to do
            stored, _ = consensus.gather(trainer, config)
            sampler = consensus.sampler(trainer.generator, self._task, stored)
        self._end(reached)
        return sampler

    def _next_event(self, step):
        """The next step after which there is something to do beside training."""
        config = self._config
        events = (every for every in (config.log_every, config.eval_every, config.checkpoint_every) if every)
        phases = (config.pretraining_steps,) if step < config.pretraining_steps else ()
        return min(config.steps, *phases, *(step - step % every + every for every in events))

    def explained(self, error):
        """What a failed exchange or collective comes to: a `LocalFault` that names who is lost, or the error itself."""
        found = re.search(r"gossip: [^\n]*", str(error))
        if not found and "Horovod has been shut down" not in str(error):
            return error
        lost = "; ".join(f"learner {rank} {why}" for rank, why in backends.lost().items())
        what = found.group() if found else f"Horovod has ended, {lost or 'some learner has left the job'}"
        return LocalFault(f"{what}; last good checkpoint: {self.last_good()}")

    def _meet_losses(self, step):
        """Say which learners have been lost since the last tick, and go on without them."""
        lost = distributed.lost()
        if len(lost) == len(self._lost):
            return
        for learner in sorted(set(lost) - set(self._lost)):
            self.say(f"step {step}: learner {learner} is lost, it {lost[learner]}; {len(distributed.ranks())} go on")
        self._lost = lost
        self._trainer.go_on_among(distributed.ranks())

    def _together(self, step, save, score):
        """Form the consensus; save and score as asked. Returns the `Sampler`."""
        stored, distance = consensus.gather(self._trainer, self._config)
        sampler = consensus.sampler(self._trainer.generator, self._task, stored)
        manifest = {
            "consensus_distance": distance,
            "threads": distributed.threads(),
            **self._task.facts,
            "tfdgan": __version__,
            "tensorflow": tf.__version__,
        }
        if step == self._config.pretraining_steps:  # before the checkpoint from which the game would go on without it
            with distributed.together():
                if hvd.rank() == 0:
                    kept.keep_pretrained(self._config.workdir, step, stored, manifest)
        if save:
            self._checkpoints.save(step, self._trainer.state, stored, manifest)
        scores = scoring.score(self._task, sampler, seed=self._config.seed) if score else []
        with distributed.together():  # learners would wait for rank 0 in the next step anyway
            if hvd.rank() == 0:
                self._monitor.scalar(step, "consensus/distance_exact", distance)
                if score:
                    self._monitor.scores(step, scores)
                    best.keep(self._config.workdir, step, scores, stored, manifest)
                    picture = self._task.picture(sampler, seed=self._config.seed)
                    if picture is not None:
                        self._picture = self._monitor.picture(step, picture)
                    text = self._task.shown(sampler, seed=self._config.seed)
                    if text is not None:
                        self._picture = self._monitor.text(step, text)
        return sampler

    def _fault(self, step, learner):
        return TrainingFault(
            f"NaN or Inf in a loss or gradient at step {step} on learner {learner}; "
            f"last good checkpoint: {self.last_good()}"
        )

    def last_good(self):
        committed = self._checkpoints.committed()
        return self._checkpoints.folder(committed[-1]) if committed else "none was saved yet"

    def _end(self, step):
        if strangers := backends.refused():
            say(f"warning: learner {hvd.rank()} refused {strangers} connection(s) that did not come from a learner")
        if hvd.rank() == 0:
            self._monitor.close()
            if self._picture:
                say(f"samples: {self._picture}")
            if found := best.said(self._config.workdir):
                say(found)
            say(f"watch: tensorboard --logdir {self._config.workdir}")
            if step == self._config.steps:
                say(f"done: {step} steps, {self._config.workdir}")

    def _warn_of_threads(self, step):
        then = tuple(self._checkpoints.manifest(step).get("threads", ()))
        if then != distributed.threads():
            say(
                f"warning: {distributed.threads()} threads (intra, inter), the checkpoint had {then}: "
                "the run will not be the same bit for bit"
            )

    @staticmethod
    def say(line):
        if hvd.rank() == 0:
            say(line)


def _due(step, every, last):
    return last or (every > 0 and step % every == 0)


def _light():
    """Input pipelines share the learner's cores with its training step."""
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = 1
    return options
