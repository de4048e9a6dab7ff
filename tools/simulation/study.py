"""Runs that are to be compared: one game, one method, the best learning rate for each setup."""

import dataclasses
import math

from tfdgan.errors import UserError
from tools.simulation import games, learners, rules

_RATES = {method: (0.01, 0.02, 0.05, 0.1) for method in ("oadam", rules.SPLIT_BATCH)}
_OTHER_RATES = (0.02, 0.05, 0.1)
_NOT_OF_DPOSG = {
    **dict.fromkeys(("8bit", "top"), "would have to send both of its sequences"),
    "delayed": "takes its gradients at mixed weights, which cannot be late",
    "after": "mixes in a step of its own",
}


@dataclasses.dataclass(frozen=True)
class Study:
    """What all runs of a comparison share.

    Attributes:
      game, method: names in `games.NAMES` and `rules.METHODS`.
      learning_rates: tried in turn for each run; () for the method's own.
      sigma, heterogeneity: see `games.make`.
      steps: at most, of a run.
      target: share of the gradient norm at the start.
      at: where gradient norms are taken: at the learners' "mean", or at the "learners" own weights.
      seed: of the game, the noise and random schedules.
      noise_learners: n of the split batch's second moment; 0: as many as there are learners.
    """

    game: str = "quadratic"
    method: str = "oadam"
    learning_rates: tuple = ()
    sigma: float = 1.0
    heterogeneity: float = 0.5
    steps: int = 2000
    target: float = 0.1
    at: str = "mean"
    seed: int = 0
    noise_learners: float = 0.0

    def __post_init__(self):
        games.make(self.game, 1, sigma=self.sigma, heterogeneity=self.heterogeneity)
        if self.method not in rules.METHODS:
            raise UserError(f"--method={self.method}: choose one of {', '.join(rules.METHODS)}")
        if not 0 < self.target < 1:
            raise UserError(f"--target={self.target}: give a share of the first gradient norm between 0 and 1")
        if self.at not in learners.PLACES:
            raise UserError(f"--at={self.at}: choose one of {', '.join(learners.PLACES)}")
        if self.noise_learners and not (self.method == rules.SPLIT_BATCH and self.noise_learners >= 1):
            raise UserError(
                f"--noise_learners={self.noise_learners:g}: at least 1, or 0 for all; of --method={rules.SPLIT_BATCH} "
                "only"
            )
        if any(not rate > 0 for rate in self.learning_rates):
            raise UserError(f"--learning_rates={','.join(map(str, self.learning_rates))}: give numbers above 0")

    @property
    def rates(self):
        return self.learning_rates or _RATES.get(self.method, _OTHER_RATES)

    @property
    def single(self):
        """The same study at one learning rate, the middle one: consensus distances grow with it."""
        return dataclasses.replace(self, learning_rates=(self.rates[(len(self.rates) - 1) // 2],))

    def best(self, setup, size, *, stop=True, sigma=None):
        """(learning rate, `Trace`) of the run that reached the target first, else of that which ended nearest to it.

        `sigma` in place of the study's. Raises `UserError` where the setup does not exist for `size` learners.
        """
        sigma = self.sigma if sigma is None else sigma
        game = games.make(self.game, size, sigma=sigma, heterogeneity=self.heterogeneity, seed=self.seed)
        every = max(1, self.steps // 200)
        target = self.target * learners.first_norm(game)
        if setup.variant in _NOT_OF_DPOSG and self.method == "dposg":
            raise UserError(f"--setups: {setup.name}: dposg {_NOT_OF_DPOSG[setup.variant]}; use --method=osgd")
        runs = {}
        for rate in self.rates:
            # A centralised gradient is averaged already.
            noise_learners = 1.0 if setup.centralized else self.noise_learners or size
            rule = learners.method(
                self.method, rate, setup.exchange(size, self.seed), setup.centralized, noise_learners
            )
            runs[rate] = learners.simulate(
                game, rule, size, self.steps, seed=self.seed, every=every, at=self.at, target=target, stop=stop
            )
        return min(runs.items(), key=lambda run: _rank(run[1]))


def _rank(trace):
    return (math.inf if trace.reached is None else trace.reached, trace.gradient_norm[-10:].mean())
