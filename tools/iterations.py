"""Seconds of a training iteration whose gradients are a wait: what a strategy and a network make of it.

    horovodrun -np 8 python -m tools.iterations --setups=centralized,ring+bfloat16 --compute=0.5 --output=cells.jsonl
    python -m tools.iterations --own_step

The nets are those of configs/cifar.flags, weights and messages are real; in place of each update's gradient stands a
wait, as several learners on few cores cannot compute side by side, and in place of optimistic Adam, whose time is in
the wait too, a plain step. An iteration waits --compute seconds in all, in equal parts for each update. A line of JSON
is added for each setup: {setup, learners, compute, link_mbit, wire_security, seconds, waiting, bytes, iterations}:
seconds from one iteration to the next, each over when the last learner has finished it (by the hosts' clocks), the
share of its time that a learner spends waiting for others and the bytes that leave its network device an iteration,
both the mean over learners.
--own_step prints the seconds of an iteration's gradients and updates by one learner alone on this machine, as
cifar.flags has it, instead.
"""

import json
import os
import sys
import time

from absl import flags

from tfdgan.cli import command, flagfiles
from tfdgan.errors import UserError
from tfdgan.gossip import WIRE_SECURITIES
from tools.simulation import setups

_FLAGFILE = "configs/cifar.flags"
_FEWEST, _MOST = 2, 12  # iterations


def _define(flag_values):
    flags.DEFINE_list("setups", [], f"Each {setups.GRAMMAR}.", flag_values=flag_values)
    text = "Seconds that an iteration computes."
    flags.DEFINE_float("compute", 0.0, text, lower_bound=0, flag_values=flag_values)
    text = "Factor on learner 0's computing."
    flags.DEFINE_float("slow_learner", 1.0, text, lower_bound=1, flag_values=flag_values)
    text = f"Seconds that a setup is measured, within {_FEWEST} to {_MOST} iterations."
    flags.DEFINE_float("budget", 20.0, text, lower_bound=0, flag_values=flag_values)
    text = "Iterations before the time begins, beside the first; of a centralised setup, none."
    flags.DEFINE_integer("warm_up", 2, text, lower_bound=0, flag_values=flag_values)
    flags.DEFINE_float("link_mbit", 0.0, "As train's.", lower_bound=0, flag_values=flag_values)
    text = "Factor by which learner 0's --link_mbit is less."
    flags.DEFINE_float("slow_link", 1.0, text, lower_bound=1, flag_values=flag_values)
    text = "As train's, of decentralised setups."
    flags.DEFINE_enum("wire_security", "auto", WIRE_SECURITIES, text, flag_values=flag_values)
    flags.DEFINE_boolean("own_step", False, "Measure one learner's own step instead.", flag_values=flag_values)
    flags.DEFINE_string("output", None, "File to which lines are added.", flag_values=flag_values)


def options_of(setup, **changes):
    """The options of configs/cifar.flags with a setup's strategy."""
    changes = {"random_mixing": setup.random, **changes}
    if setup.centralized:
        own = dict(strategy="centralized", wire_dtype=setup.variant or "float32")
        return flagfiles.read(_FLAGFILE, **{**changes, **own})
    variants = {
        None: {},
        "rounds": dict(gossip_rounds=setup.rounds),
        "chebyshev": dict(gossip_rounds=setup.rounds, chebyshev=True),
        "every": dict(mix_every=setup.every),
        "delayed": dict(mix_delay=1),
        "bfloat16": dict(wire_dtype="bfloat16"),
        "8bit": dict(compression="int8"),
        "top": dict(compression="top_k", top_fraction=setup.value or 1.0),
    }
    return flagfiles.read(_FLAGFILE, **{**changes, "topology": setup.topology, **variants[setup.variant]})


def check(setup, learners):
    """Raise `UserError` unless so many learners can be measured by a setup."""
    if setup.variant == "tree":
        raise UserError(f"--setups: {setup.name}: nothing does it, so it can only be predicted (tools/simulate.py)")
    try:
        options_of(setup).check_learners(learners)
    except UserError as error:
        raise UserError(f"--setups: {setup.name}: {error.as_flags()}") from error


def own_step():
    """Seconds of a step of the trainer by one learner, on noise: the median of three, after two."""
    import numpy as np
    import tensorflow as tf

    from tfdgan import distributed
    from tfdgan.cli.objects import make_trainer
    from tfdgan.tasks import ImageTask

    distributed.start()
    options = options_of(setups.parse("ring"), strategy="local", random_mixing=False, dataset="given")
    images = np.random.default_rng(0).uniform(-1, 1, (320, 32, 32, 3)).astype(np.float32)
    task = ImageTask(options, samples=images)
    source = task.source()
    trainer = make_trainer(options, task, *task.build_models(source.sample_shape, source.classes))
    batch = tf.constant(images[: options.batch_size * options.critic_steps])
    times = []
    for step in range(5):
        begun = time.perf_counter()
        figures = trainer.step(tf.constant(step, tf.int64), batch)
        tf.nest.map_structure(lambda figure: figure.numpy(), figures)
        times.append(time.perf_counter() - begun)
    return float(np.median(times[2:]))


def _computed(gradients, seconds, after):
    """The gradients, when a wait is over that begins when `after` is computed."""
    import tensorflow as tf

    def wait(_):
        time.sleep(seconds)
        return True

    with tf.control_dependencies(after):
        over = tf.numpy_function(wait, [tf.constant(0.0)], tf.bool)
    with tf.control_dependencies([over]):
        return [tf.identity(gradient) for gradient in gradients]


def stepper(options, players, name, waits):
    """A compiled step, scalar int64 -> seconds waited: what the adversarial trainer does with alternating updates, with
    waits for gradients.

    `waits`: {player's name: seconds of each of its updates}.
    """
    import horovod.tensorflow as hvd
    import tensorflow as tf

    from tfdgan import strategies

    strategy = strategies.make(options, players, size=hvd.size(), seed=options.seed, channel=name)
    strategy.reset()
    directions = {
        p.name: [1e-3 * tf.random.stateless_normal(v.shape, [hvd.rank(), 0]) for v in p.values()] for p in players
    }
    order = [player for player in players for _ in range(options.critic_steps if player.name == "critic" else 1)]

    @tf.function(autograph=False)
    def step(number):
        begun, waited = strategy.begin_step(number), tf.constant(0.0, tf.float64)
        before = strategy.started(begun)
        for index, player in enumerate(order):
            mixing = strategy.begin_update(player, number * len(order) + index)
            after = before + strategy.started(mixing)
            gradients = _computed(directions[player.name], waits[player.name], after)
            waited += strategy.apply(player, gradients, tf.constant(True), mixing)
            before = [waited, *player.values()]
        return waited + strategy.end_step(begun)

    return step


def _sent():
    """Bytes that this learner's network device has sent; on loopback everybody's, over their number."""
    import horovod.tensorflow as hvd
    import psutil

    device = os.environ.get("HOROVOD_GLOO_IFACE", "lo").split(",")[0]
    sent = psutil.net_io_counters(pernic=True)[device].bytes_sent
    return sent / hvd.size() if device == "lo" else sent


def measure(setup, players, compute, slow_learner, budget, warm_up):
    """A cell: {setup, seconds, waiting, bytes, iterations}, the same on every learner."""
    import horovod.tensorflow as hvd
    import tensorflow as tf

    from tfdgan.distributed import collectives

    options = options_of(setup)
    mine = compute * (slow_learner if hvd.rank() == 0 else 1.0) / (options.critic_steps + 1)
    step = stepper(options, players, setup.name, {player.name: mine for player in players})
    turn, done = setup.every, 0

    def take(iterations):
        """Seconds waited in so many more."""
        nonlocal done
        done += iterations
        return sum(float(step(tf.constant(number, tf.int64))) for number in range(done - iterations, done))

    for timed in ("traced", "known"):  # the first traces and connects, and is enough where it is long all the same
        begun = time.perf_counter()
        take(turn)
        each = (time.perf_counter() - begun) / turn
        each = float(collectives.gather_vector([each], f"iterations.{setup.name}.{timed}").max())
        if budget < _FEWEST * each:
            break
    warm_up = 0 if setup.centralized else warm_up
    count = min(max(round(budget / each), _FEWEST, warm_up), _MOST)
    # No barrier before the time begins: it would let what is under way arrive for nothing.
    warm_up, count = (-(-number // turn) * turn for number in (warm_up, count))  # whole turns
    take(warm_up)
    sent, begun = _sent(), time.time()
    waited = take(count)
    ended, sent = time.time(), _sent() - sent
    everyone = collectives.gather_vector([begun, ended, waited, sent], f"iterations.{setup.name}.end")
    # From the last beginning to the last end: who was ahead of a slow learner when its time began is not afterwards.
    seconds = everyone[:, 1].max() - everyone[:, 0].max()
    share = (everyone[:, 2] / (everyone[:, 1] - everyone[:, 0])).mean()
    figures = dict(seconds=seconds / count, waiting=share, bytes=everyone[:, 3].mean() / count, iterations=count)
    return {"setup": setup.name, "learners": hvd.size(), "compute": compute, **figures}


def add(path, cell):
    """Add a line to a file, after half a line, of a call cut off, on a new one."""
    half = os.path.exists(path) and not open(path, "rb").read().endswith(b"\n")
    with open(path, "a") as file:
        file.write("\n" * half + json.dumps(cell) + "\n")


def measure_all(chosen, output, link_mbit, slow_link, wire_security, **how):
    """Every setup by every learner; learner 0 writes what comes, as it comes."""
    import horovod.tensorflow as hvd
    import keras

    from tfdgan import distributed
    from tfdgan.gossip.native import bootstrap
    from tfdgan.strategies import Player
    from tfdgan.tasks.image import nets

    distributed.start()
    for setup in chosen:
        check(setup, hvd.size())
    if not all(setup.centralized for setup in chosen):
        rate = link_mbit / (slow_link if hvd.rank() == 0 else 1.0)
        # A network is what is measured, on loopback too.
        bootstrap.start(bootstrap.Settings(link_mbit=rate, wire_security=wire_security, gossip_shared_memory="off"))
    for setup in chosen:
        # Equal weights on all learners, by the seed: nothing need be sent.
        generator, critic = nets.build(options_of(setup), (32, 32, 3), None)
        players = [
            Player(name, model, keras.optimizers.SGD(1e-4))
            for name, model in (("critic", critic), ("generator", generator))
        ]
        cell = {**measure(setup, players, **how), "link_mbit": link_mbit, "wire_security": wire_security}
        if hvd.rank() == 0:
            add(output, cell)


def main(argv):
    flag_values = command.parse(argv, _define)
    if not os.path.isfile(_FLAGFILE):
        raise UserError(f"{_FLAGFILE} is not here: run this in the project's folder")
    if flag_values.own_step:
        print(own_step())
        return
    (output,) = command.required(flag_values, "output")
    if flag_values.slow_link > 1 and not flag_values.link_mbit:
        raise UserError(f"--slow_link={flag_values.slow_link:g}: a part of --link_mbit, which is not given")
    if not flag_values.setups:
        raise UserError("--setups: nothing to measure; give some, as ring,centralized")
    chosen = [setups.parse(text) for text in flag_values.setups]
    names = ("compute", "slow_learner", "budget", "warm_up", "link_mbit", "slow_link", "wire_security")
    measure_all(chosen, output, **{name: flag_values[name].value for name in names})


if __name__ == "__main__":
    command.run(main, sys.argv)
