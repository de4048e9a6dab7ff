"""From options and a task to a trainer: the objects that the options ask for."""

from collections.abc import Callable
from typing import Any

import keras

from tfdgan import strategies
from tfdgan.errors import UserError
from tfdgan.objectives import OBJECTIVES, PENALTIES, Objective
from tfdgan.optimizers import choice as optimizers
from tfdgan.strategies import Player, Strategy
from tfdgan.strategies.options import StrategyOptions
from tfdgan.tasks.base import Task
from tfdgan.tasks.options import TaskOptions
from tfdgan.training.game import Game
from tfdgan.training.noise import Noise
from tfdgan.training.pretraining import Pretraining
from tfdgan.training.ratio_classifier import RatioClipping
from tfdgan.training.trainer import Trainer

MakeStrategy = Callable[[list[Player]], Strategy]


def make_trainer(
    options: TaskOptions,
    task: Task,
    generator: keras.Model,
    critic: keras.Model,
    *,
    learner: int = 0,
    size: int = 1,
    noise: Noise | None = None,
    objective: Objective | None = None,
    strategy: MakeStrategy | None = None,
) -> Trainer:
    """The trainer that options ask for.

    Args:
      options: of the run.
      task: what is generated.
      generator, critic: the task's nets, built.
      learner, size: which learner this is, of how many.
      noise: this learner's random numbers; by default those of the seed and the learner.
      objective: instead of the one that the options name.
      strategy: makes the strategy of the players, instead of the one that the options name.
    """
    players = _players(options, task, generator, critic)
    shared = options.part(StrategyOptions)
    make = strategy or (lambda given: strategies.make(shared, given, size=size, seed=options.seed))
    game = Game(
        objective or OBJECTIVES[options.objective](),
        task.feed(generator),
        noise or Noise(options.seed, learner),
        options.batch_size,
        penalty=PENALTIES[options.penalty],
        gradient_penalty=options.gradient_penalty,
        consistency=options.consistency,
        conditional=task.conditional,
        jit=options.jit,
        noise_every=options.noise_every if options.splits_batches else 0,
    )
    pretraining = _pretraining(options, generator, size) if options.pretraining_steps else None
    if strategy:  # it may say otherwise
        for player in players:
            player.average_among(size)
    made = make(players)
    if not isinstance(made, Strategy):
        raise UserError(f"strategy: made {made!r:.60}, which is no Strategy")
    _check_objective(options, game.objective)
    how = {**_own_arguments(options), **task.trainer_options()}
    kind = task.trainer_class(options.trainer)
    return kind(players, made, game, pretraining=pretraining, ema_decay=options.ema_decay, **how)


def _check_objective(options: TaskOptions, objective: Objective) -> None:
    """Raise `UserError` unless the objective has what ratio clipping and reweighting need."""
    if options.trainer != "clipped_ratio":
        return
    needs = {"payoff": options.ratio_clipping, "weighted_critic_terms": options.sample_reweighting}
    for method, needed in needs.items():
        if needed and getattr(type(objective), method) is getattr(Objective, method):
            raise UserError(
                f"objective: {type(objective).__name__} has no {method}, which --trainer=clipped_ratio needs"
            )


def _own_arguments(options: TaskOptions) -> dict[str, Any]:
    """The arguments that only one of the trainers has."""
    if options.trainer == "adversarial":
        return {"update": options.update}
    return {
        "clipping": RatioClipping(
            options.clip_epsilon,
            options.clip_mode,
            options.center_scores,
            paired=options.ratio == "paired",
            joint=options.classifier_batches == "joint",
        ),
        "reweighting_temperature": options.reweighting_temperature if options.sample_reweighting else None,
        "reweighting_spread": options.reweighting_spread,
        "reused_latents": options.inner_latents == "reused",
    }


def _players(options: TaskOptions, task: Task, generator: keras.Model, critic: keras.Model) -> list[Player]:
    """Who plays, in the order in which weights are exchanged."""
    clipped = options.trainer == "clipped_ratio"
    updates = options.generator_steps if clipped else 1
    rates = options.learning_rate_g, options.learning_rate_d
    found = [
        _player(options, "critic", critic, rates[1], options.critic_steps, options.clip_norm),
        _player(options, "generator", generator, rates[0], updates, options.clip_norm),
    ]
    if clipped and options.ratio_clipping:
        classifier = task.build_classifier(critic)
        found.append(_player(options, "classifier", classifier, options.learning_rate_c, updates, options.clip_norm_c))
    return found


def _player(options: TaskOptions, name: str, model: keras.Model, rate: float, updates: int, clip_norm: float) -> Player:
    """A player of the game, whose linear decay ends at 0 at the last step; pretraining does not count."""
    steps = options.steps - options.pretraining_steps
    decay = steps * updates if options.learning_rate_decay == "linear" else 0
    moment = "split_batch" if options.splits_batches else "own"
    return Player(name, model, _optimizer(options, rate, clip_norm, decay, moment), updates)


def _optimizer(
    options: TaskOptions, rate: float, clip_norm: float, decay: int, second_moment: str = "own"
) -> keras.optimizers.Optimizer:
    return optimizers.make(
        options.optimizer,
        rate,
        beta_1=options.beta_1,
        beta_2=options.beta_2,
        clip_norm=clip_norm,
        decay_updates=decay,
        second_moment=second_moment,
    )


def _pretraining(options: TaskOptions, generator: keras.Model, size: int) -> Pretraining:
    """The phase before the game, of the generator alone, at a constant rate."""
    if not hasattr(generator, "log_probabilities"):
        raise UserError(
            f"--pretraining_steps={options.pretraining_steps}: the generator, a {type(generator).__name__}, has no "
            "log_probabilities; leave it out"
        )
    optimizer = _optimizer(options, options.learning_rate_p, options.clip_norm, 0)
    player = Player("pretraining", generator, optimizer, options.critic_steps)
    shared = options.part(StrategyOptions)
    strategy = strategies.make(shared, [player], size=size, seed=options.seed, channel="pretraining")
    return Pretraining(player, strategy, options.pretraining_steps, options.jit)
