"""What tools/trace_exchange.py notes, at one learner; and what it makes of its notes."""

import numpy as np
import pytest
import tensorflow as tf

import tfdgan
from tfdgan import strategies
from tfdgan.cli.objects import make_trainer
from tfdgan.strategies.options import StrategyOptions
from tfdgan.tasks import ImageOptions, ImageTask
from tools import trace_exchange
from tools.trace_exchange import Span, Traced

pytestmark = pytest.mark.filterwarnings("ignore:tfdgan.start")


def weights_after_two_steps(order, wrap):
    options = ImageOptions(
        dataset="given", model="mlp", width_g=4, width_d=4, latent_size=2, batch_size=4, critic_steps=2, steps=2
    )
    task, asked = ImageTask(options, samples=np.zeros([1, 2])), StrategyOptions(**trace_exchange.ORDERS[order])
    made = []

    def make(players):
        made.append(wrap(strategies.make(asked, players, size=1)))
        return made[0]

    trainer = make_trainer(options, task, *task.build_models((2,)), strategy=make)
    batch = tf.constant(np.random.default_rng(0).standard_normal((8, 2)).astype(np.float32))
    for step in range(2):
        trainer.step(tf.constant(step, tf.int64), batch)
    return np.concatenate([v.numpy().ravel() for player in trainer.players for v in player.values()]), made[0]


@pytest.mark.parametrize("order", trace_exchange.ORDERS)
def test_noting_changes_nothing_and_keeps_the_order_of_a_step(order):
    tfdgan.start()
    plain, _ = weights_after_two_steps(order, lambda strategy: strategy)
    traced, strategy = weights_after_two_steps(order, Traced)
    np.testing.assert_array_equal(traced, plain)
    for step in range(2):
        spans = [span for span in strategy.spans if span.step == step]
        assert all(span.begin <= span.end for span in spans)
        gradients = {
            name: [s for s in spans if (s.kind, s.of) == ("gradient", name)] for name in ("critic", "generator")
        }
        first, last = sorted(gradients["critic"], key=lambda span: span.begin)
        (generator,) = gradients["generator"]
        assert first.end <= last.begin and first.end <= generator.begin
        exchanges = {"late": 1, "after each step": 2, "after each update": 3}[order]
        assert [s.kind for s in spans].count("exchange") == [s.kind for s in spans].count("exposed") == exchanges


def test_what_a_trace_adds_up_to():
    """10 steps within a second; two exchanges of 30 and 20 ms, of which 5 ms are exposed, in each but the last."""
    spans = []
    for step in range(10):
        begin = step * 0.1
        spans += [Span(step, "exchange", "critic", begin, begin + 0.03)]
        spans += [Span(step, "gradient", "critic", begin, begin + 0.1)]
        spans += [Span(step, "exchange", "generator", begin + 0.01, begin + 0.03)]
        spans += [Span(step, "exposed", "generator", begin + (0.005 if step == 9 else 0.025), begin + 0.03)]
    found = trace_exchange.figures(spans)
    assert found == {name: pytest.approx(ms) for name, ms in (("step", 100), ("exchange", 50), ("exposed", 7))}
    assert {span.step for span in trace_exchange.typical(spans)} <= set(range(9))
