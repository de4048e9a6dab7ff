"""Launches the tests in distributed/ on several learners, one launch for many tests; what holds before the start."""

import re

import pytest
from conftest import launch

pytestmark = pytest.mark.distributed


@pytest.mark.parametrize(
    "learners, files",
    [
        (1, ["test_native.py"]),
        (2, ["test_begun.py", "test_native.py"]),
        (2, ["test_sealed.py"]),
        # An odd number and a power of two, where topologies differ; what does not depend on them at one of the two.
        (3, ["test_begun.py", "test_collectives.py", "test_mix.py", "test_native.py", "test_trainer.py"]),
        (
            4,
            [
                "test_adapt_then_combine.py",
                "test_mix.py",
                "test_mixing_variants.py",
                "test_rivals.py",
                "test_scoring.py",
                "test_strategies.py",
            ],
        ),
        (8, ["test_native.py", "test_bilinear_eight.py"]),
    ],
)
def test_on_several_learners(learners, files):
    paths = [f"tests/distributed/{name}" for name in files]
    done = launch(learners, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "no:cacheprovider", *paths)
    passed = [int(n) for n in re.findall(r"(\d+) passed", done.stdout)]
    assert len(passed) == learners and len(set(passed)) == 1, done.stdout[-2000:]
    assert "skipped" not in done.stdout


BEFORE_THE_START = """
import os
before = dict(os.environ)
import tensorflow as tf
from tfdgan import gossip
from tfdgan.distributed import collectives, job
from tfdgan.errors import UserError
schedule = gossip.topology.make_schedule("ring", 2)
calls = [job.rank, job.size, collectives.ranks, lambda: gossip.mix([tf.zeros([1])], schedule, 0)]
for call in calls:
    try:
        call()
    except UserError as error:
        print(error)
print({name for name, value in os.environ.items() if name.startswith("HOROVOD") and before.get(name) != value})
"""


def test_before_the_start_errors_say_what_to_call_and_no_variable_is_set():
    lines = launch(0, "-c", BEFORE_THE_START).stdout.splitlines()
    assert lines == ["Horovod has not been started: call tfdgan.start() first"] * 4 + ["set()"]


STARTED_BY_SOMEBODY_ELSE = """
import horovod.tensorflow as hvd
import tensorflow as tf
hvd.init()
from tfdgan import gossip
from tfdgan.distributed import collectives, job
from tfdgan.errors import UserError
job.start()  # which has nothing left to do
schedule = gossip.topology.make_schedule("ring", job.size())
x = [tf.constant([float(job.rank())])]
for backend in ("native", "horovod"):
    assert abs(float(gossip.mix(x, schedule, 0, backend=backend)[0][0]) - 1) < 1e-6
try:
    gossip.mix(x, schedule, 0, backend="horovod_pairs")
except UserError as error:
    lines = collectives.gather(str(error), "lines")
    if job.rank() == 0:
        print(*lines, sep="\\n")
"""


def test_horovod_that_somebody_else_started_serves_but_has_no_pairs():
    """Nothing of HOROVOD_* is set in the environment."""
    done = launch(3, "-c", STARTED_BY_SOMEBODY_ELSE)
    assert done.stdout.count("call tfdgan.start(process_sets=True) before") == 3, done.stdout


STARTED_TWICE = """
import http.client
import os
import time
from tfdgan.distributed import collectives, job
job.start()
server = [os.environ["HOROVOD_GLOO_RENDEZVOUS_" + name] for name in ("ADDR", "PORT")]
scopes = ("global", "local_" + os.environ["HOROVOD_HOSTNAME"])
if job.rank() == 0:  # as they stay if two scopes end at the same time
    for scope in scopes:
        for learner in range(2):
            connection = http.client.HTTPConnection(*server)
            connection.request("PUT", f"/{scope}/{learner}", bytes(136))
            assert connection.getresponse().status == 200
collectives.gather("all is there", "stale")
collectives.leave_meeting()
assert not job.has_horovod()
time.sleep(job.rank())  # learner 0 asks for the address of learner 1 before learner 1 has given a new one
job.start()
print(collectives.gather(job.rank(), "again"))
"""


def test_a_second_start_of_horovod_does_not_find_the_addresses_of_the_first():
    assert launch(2, "-c", STARTED_TWICE, timeout=60).stdout.count("[0, 1]") == 2
