"""What `fit` is given from Python: what does not go together is one line that names the argument."""

import dataclasses

import pytest
from circle_task import Circle, CircleOptions

import tfdgan
from tfdgan.cli.config import Config
from tfdgan.errors import UserError
from tfdgan.objectives import Hinge
from tfdgan.strategies import Local
from tfdgan.tasks import ImageOptions, ImageTask, TaskOptions

POINTS = dict(
    dataset="gaussians", model="mlp", latent_size=2, batch_size=4, width_g=4, width_d=4, steps=2, eval_every=0
)


class ForgetsToTell(Local):
    """A strategy whose `apply` does not say how long it waited."""

    def apply(self, player, gradients, finite, begun):
        player.step_if(finite, gradients)


class TwoScores(Hinge):
    """An objective whose loss is no scalar."""

    def critic_loss(self, real_scores, fake_scores):
        return real_scores + fake_scores


@pytest.mark.parametrize(
    ("said", "options", "given"),
    [
        ("options: a NoneType", None, {}),
        ("task=text: needs TextOptions, the options are ImageOptions", ImageOptions(task="text"), {}),
        ("task=image: needs ImageOptions", TaskOptions(), {}),
        ("task: was made of other options", ImageOptions(seed=1), dict(task=ImageTask(ImageOptions()))),
        ("task=image: the task given is a Circle; set task=", c := CircleOptions(), dict(task=Circle(c))),
        ("objective: <class .*Hinge.* is no object", ImageOptions(), dict(objective=Hinge)),
        ("strategy: 'local' is no function", ImageOptions(), dict(strategy="local")),
        (
            "topology=star: means nothing beside a strategy of your own",
            ImageOptions(topology="star"),
            dict(strategy=Local),
        ),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_starts(said, options, given):
    with pytest.raises(UserError, match=f"^{said}"):
        tfdgan.fit(options, **given)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:tfdgan.start")
@pytest.mark.parametrize(
    ("said", "changes", "given"),
    [
        ("strategy: made None, which is no Strategy", {}, dict(strategy=lambda players: None)),
        ("strategy: ForgetsToTell.apply returned None", {}, dict(strategy=ForgetsToTell)),
        (r"critic: the loss has shape \(4, 1\); make it a scalar", {}, dict(objective=TwoScores())),
        (
            "objective: Hinge has no payoff, which trainer=clipped_ratio needs",
            dict(trainer="clipped_ratio", update="alternating"),
            dict(objective=Hinge()),
        ),
    ],
)
def test_what_a_piece_lacks_is_one_line(said, changes, given, tmp_path):
    with pytest.raises(UserError, match=said):
        tfdgan.fit(ImageOptions(workdir=str(tmp_path), **POINTS, **changes), **given)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:tfdgan.start")
def test_a_workdir_remembers_pieces_that_options_cannot_name(tmp_path):
    options = ImageOptions(workdir=str(tmp_path), **POINTS)
    tfdgan.fit(options, strategy=Local, objective=Hinge())
    longer = dataclasses.replace(options, steps=3)
    for given in ({}, dict(strategy=Local), dict(objective=Hinge())):
        with pytest.raises(UserError, match="was trained with .* give the same or use another folder"):
            tfdgan.fit(longer, **given)
    tfdgan.fit(longer, strategy=Local, objective=Hinge())


def test_a_task_of_ones_own_keeps_the_checks_of_the_options_it_inherits():
    with pytest.raises(UserError, match="model=foo: choose one of dcgan"):
        ImageOptions(task="circle_task:Circle", model="foo")
    with pytest.raises(UserError, match="task=circle_task:Circle"):
        Config(task="circle_task:Circle")
