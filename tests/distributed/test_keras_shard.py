"""keras.shard: the parts of all learners, put together."""

import horovod.tensorflow as hvd
import pytest
import tensorflow as tf

from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.keras import shard

N, RANK = hvd.size(), hvd.rank()


def parts(dataset):
    """[the elements of each learner's part]."""
    return collectives.gather([int(element) for element in dataset], "parts")


@pytest.mark.parametrize("rest", range(N))
def test_everyone_gets_as_many(rest, capsys):
    dataset = shard(tf.data.Dataset.range(4 * N + rest))
    assert int(dataset.cardinality()) == 4
    assert parts(dataset) == [[rank + N * i for i in range(4)] for rank in range(N)]
    said = f"shard: {rest} of {4 * N + rest} elements dropped, so that each of {N} learners gets 4\n"
    assert capsys.readouterr().out == (said if rest and RANK == 0 else "")


def test_batches():
    dataset = shard(tf.data.Dataset.range(2 * N).batch(2))
    assert collectives.gather([batch.tolist() for batch in dataset.as_numpy_iterator()], "batches") == [
        [[2 * rank, 2 * rank + 1]] for rank in range(N)
    ]


def test_endless():
    dataset = shard(tf.data.Dataset.range(N).repeat())
    assert parts(dataset.take(3)) == [[rank] * 3 for rank in range(N)]


def test_an_unknown_number_of_elements():
    unknown = tf.data.Dataset.range(2 * N).filter(lambda i: i >= 0)
    with pytest.raises(UserError, match="dataset has an unknown cardinality; .*assert_cardinality") as raised:
        shard(unknown)
    assert "\n" not in str(raised.value)
    said = unknown.apply(tf.data.experimental.assert_cardinality(2 * N))
    assert parts(shard(said)) == [[rank, rank + N] for rank in range(N)]


def test_bad_data():
    with pytest.raises(UserError, match=f"dataset has {N - 1} elements for {N} learners"):
        shard(tf.data.Dataset.range(N - 1))
    with pytest.raises(UserError, match="dataset is a list; give a tf.data.Dataset"):
        shard([1, 2, 3])
