"""Options of the optimizers."""

import dataclasses

from tfdgan.options import Options, option


@dataclasses.dataclass(frozen=True)
class OptimizerOptions(Options):
    """Optimizers: how a gradient becomes a step."""

    optimizer: str = option(
        "oadam", "Optimizer of every player; oadam is optimistic Adam.", choices=("oadam", "adam", "sgd")
    )
    learning_rate_g: float = option(1e-4, "Learning rate of the generator.", above=0)
    learning_rate_d: float = option(1e-4, "Learning rate of the critic.", above=0)
    learning_rate_decay: str = option(
        "constant",
        "Course of all learning rates of the game; linear falls to 0 at the last step.",
        choices=("constant", "linear"),
    )
    clip_norm: float = option(
        0.0, "Norm to which the gradients of generator and critic are cut; 0 cuts nothing.", minimum=0
    )
    beta_1: float = option(0.5, "Decay of the first moment (oadam, adam).", minimum=0, below=1)
    beta_2: float = option(0.9, "Decay of the second moment (oadam, adam).", minimum=0, below=1)

    second_moment: str = option(
        "own",
        "Second moment of oadam: own is Adam's; split_batch leaves out the noise of a small batch that the average of "
        "learners does not have (strategies that average weights).",
        choices=("own", "split_batch"),
    )
    noise_every: int = option(
        1, "Updates of a player between two estimates of the noise by --second_moment=split_batch.", minimum=1
    )

    def unused_options(self) -> dict[str, str]:
        whys = {"noise_every": self.as_flag("second_moment")} if self.second_moment == "own" else {}
        found = {"beta_1", "beta_2"} if self.optimizer == "sgd" else set()
        found |= {"second_moment", "noise_every"} if self.optimizer != "oadam" else set()
        return whys | dict.fromkeys(found, self.as_flag("optimizer"))
