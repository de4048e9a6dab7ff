"""What a learner of tools/bench_exchange.py does: one measurement; learner 0 prints it as a line of JSON.

horovodrun -np N python -m tools.exchange.learner sizes SHARED_MEMORY NUMBERS...
horovodrun -np N python -m tools.exchange.learner slow BACKEND
horovodrun -np 2 python -m tools.exchange.learner overlap MILLISECONDS
horovodrun -np 2 python -m tools.exchange.learner long MILLISECONDS
horovodrun -np 2 python -m tools.exchange.learner sealed SECURITY
"""

import json
import os
import statistics
import subprocess
import sys
import time

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf

from tfdgan import gossip
from tfdgan.distributed import collectives, job
from tfdgan.gossip import topology
from tfdgan.gossip.native import bootstrap, library
from tools.exchange import mixing_pass
from tools.exchange.plain import PlainRing


def mixer(numbers, backend, wire=None):
    """times -> None: mix `numbers` float32 over a ring that often, in one call of a compiled loop."""
    schedule = topology.make_schedule("ring", hvd.size())
    channel = f"{backend}.{wire}.{numbers}"
    return looped(numbers, lambda x: gossip.mix([x], schedule, 0, backend=backend, wire_dtype=wire, channel=channel)[0])


def allreducer(numbers):
    return looped(numbers, lambda x: hvd.allreduce(x, op=hvd.Sum, name=f"bench.allreduce.{numbers}") / hvd.size())


def looped(numbers, exchange):
    """times -> None: x <- exchange(x), compiled: what is timed is the exchange and not the way into TensorFlow."""
    values = tf.random.stateless_normal([numbers], [hvd.rank(), 0])

    @tf.function(autograph=False)
    def loop(times):
        def body(i, x):
            return i + 1, tf.ensure_shape(exchange(x), [numbers])

        return tf.while_loop(lambda i, _: i < times, body, (0, values), parallel_iterations=1)[1]

    return lambda times: loop(tf.constant(times))


def repeated(call):
    """times -> None, for a call that does one exchange."""

    def repeat(times):
        for _ in range(times):
            call()

    return repeat


def costs_each(ways, blocks, repeats):
    """{way: (seconds, CPU-seconds)} that one time takes; blocks of all ways alternate.

    Medians over blocks: of the slowest learner's time, and of all learners' CPU time together.
    """
    for way in ways.values():
        way(2)
    costs = {name: [] for name in ways}
    for _ in range(blocks):
        for name, way in ways.items():
            collectives.gather_vector([0.0], "bench.start")
            begun, before = time.perf_counter(), time.process_time()
            way(repeats)
            mine = [(time.perf_counter() - begun) / repeats, (time.process_time() - before) / repeats]
            everyone = collectives.gather_vector(mine, "bench.end")
            costs[name].append([everyone[:, 0].max(), everyone[:, 1].sum()])
    return {name: np.median(values, axis=0).tolist() for name, values in costs.items()}


def seconds_each(ways, blocks, repeats):
    """{way: seconds}, as `costs_each` has them."""
    return {name: seconds for name, (seconds, _) in costs_each(ways, blocks, repeats).items()}


def sizes(shared_memory, *numbers):
    """What an exchange costs for each size and way, and bytes that this learner sent for one of them."""
    bootstrap.start(bootstrap.Settings(gossip_shared_memory=shared_memory))
    found, mix = [], mixing_pass.load()
    for count in map(int, numbers):
        plain, mixed = PlainRing(count), np.empty(count, np.float32)

        def exchange_and_mix(plain=plain, mixed=mixed):
            plain.exchange()
            mix(*plain.arrays, mixed)

        ways = {
            "native": mixer(count, "native"),
            "native bfloat16": mixer(count, "native", "bfloat16"),
            "alltoall": mixer(count, "horovod"),
            "allreduce": allreducer(count),
            "plain sockets": repeated(plain.exchange),
            "plain and mixing": repeated(exchange_and_mix),
        }
        repeats = max(2, min(50, 4_000_000 // count))
        costs = costs_each(ways, blocks=7, repeats=repeats)
        sent = {}
        for name in ("native", "native bfloat16"):
            before = library.counters()["bytes_sent"]
            ways[name](1)
            sent[name] = library.counters()["bytes_sent"] - before
        plain.close()
        seconds, cpu = ({way: cost[index] for way, cost in costs.items()} for index in (0, 1))
        found.append({"numbers": count, "seconds": seconds, "cpu": cpu, "sent": sent})
    return found


def slow(backend):
    """When each learner has finished each of 8 steps if learner 0 sleeps 200 ms before its own: seconds [n, 8]."""
    mix = mixer(1000, backend)
    mix(2)
    collectives.gather_vector([0.0], "bench.start")
    begun, ends = time.perf_counter(), []
    for _ in range(8):
        time.sleep(0.2 if hvd.rank() == 0 else 0.001)
        mix(1)
        ends.append(time.perf_counter() - begun)
    return collectives.gather_vector(ends, "bench.ends").tolist()


def relayed(milliseconds):
    """(ip, port) -> port of a relay there, which holds every byte for a while and ends with this process."""

    def through(ip, port):
        command = [sys.executable, os.path.join(os.path.dirname(__file__), "relay.py"), ip, str(port), milliseconds]
        relay = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return int(relay.stdout.readline())

    return through


def connect_through(milliseconds):
    """Start the native exchange of two learners over a link that holds frames."""
    settings = bootstrap.Settings(gossip_shared_memory="off")
    learners = bootstrap.announce(settings)
    if hvd.rank() == 0:  # who dials
        ip, port = learners[1]["place"]
        learners[1]["place"] = (ip, relayed(milliseconds)(ip, port))
    bootstrap.connect(learners, settings)


def long(milliseconds):
    """Seconds for 100 MB each way over a link that holds frames: the exchange, and one plain TCP connection."""
    connect_through(milliseconds)
    count = 25_000_000
    plain = PlainRing(count, relayed(milliseconds))
    ways = {"native": mixer(count, "native"), "plain sockets": repeated(plain.exchange)}
    return {"bytes": 4 * count, "seconds": seconds_each(ways, blocks=5, repeats=1)}


def sealed(security):
    """CPU-seconds of both learners, and seconds, for 100 MB each way over TCP, by --wire_security."""
    bootstrap.start(bootstrap.Settings(wire_security=security, gossip_shared_memory="off"))
    cost = costs_each({"native": mixer(25_000_000, "native")}, blocks=7, repeats=4)["native"]
    return {"bytes": 100_000_000, "cpu": cost[1], "seconds": cost[0]}


def overlap(milliseconds):
    """Seconds of a gradient, an exchange and a step with both, over a link that holds frames; a timeline of steps."""
    connect_through(milliseconds)
    schedule = topology.make_schedule("ring", 2)
    weights = [tf.Variable(tf.random.stateless_normal([200, 200], [hvd.rank(), i])) for i in range(3)]

    def gradient(turns):
        x = weights[0].value()
        for _ in tf.range(turns):
            x = tf.tanh(x @ weights[1])
        return x

    def begin():
        return gossip.begin([w.value() for w in weights], schedule, 0, backend="native", channel="weights")

    compute_alone = tf.function(gradient)
    exchange_alone = tf.function(lambda: begin().finish())

    @tf.function
    def both(turns):
        begun = tf.timestamp()
        with tf.control_dependencies([begun]):
            mix = begin()
        with tf.control_dependencies(mix.started):
            x = gradient(turns)
            mixed = mix.finish()
        with tf.control_dependencies(mixed):
            exchanged = tf.timestamp()
        with tf.control_dependencies([x]):
            computed = tf.timestamp()
        return tf.stack([begun, computed, exchanged])

    # As long as the link holds a frame: that is where an overlap shows.
    turns = tf.constant(100)
    compute_alone(turns), exchange_alone(), both(turns)
    one = statistics.median(timed(lambda: compute_alone(turns)) for _ in range(9)) / 100
    wait = seconds_each({"exchange": repeated(exchange_alone)}, 9, 3)["exchange"]
    turns = tf.constant(max(1, round(wait / one)))
    ways = {"compute": lambda: compute_alone(turns), "exchange": exchange_alone, "both": lambda: both(turns)}
    seconds = seconds_each({name: repeated(call) for name, call in ways.items()}, 15, 3)
    timeline = np.stack([both(turns).numpy() for _ in range(5)])
    lines = collectives.gather(timeline.tolist(), "bench.timeline")
    return {"seconds": seconds, "timeline": lines}


def timed(call):
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def main(what, *arguments):
    os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    job.start()
    found = {"sizes": sizes, "slow": slow, "overlap": overlap, "long": long, "sealed": sealed}[what](*arguments)
    if hvd.rank() == 0:
        print("RESULT " + json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
