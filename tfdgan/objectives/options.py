"""Options of the game's payoff and of the critic's penalty."""

import dataclasses

from tfdgan.options import Options, option


@dataclasses.dataclass(frozen=True)
class ObjectiveOptions(Options):
    """Objective: the payoff of the game, and what keeps the critic smooth."""

    objective: str = option(
        "wasserstein",
        "Payoff of the game between generator and critic.",
        choices=("wasserstein", "hinge", "non_saturating", "relativistic"),
    )
    penalty: str = option(
        "two_sided",
        "Penalty in the critic's loss: two_sided (|grad f| - 1)^2 or one_sided max(0, |grad f| - 1)^2 between real "
        "and generated samples; r1, |grad f|^2 / 2 at real samples, or r1_r2, at real and at generated ones.",
        choices=("two_sided", "one_sided", "r1", "r1_r2"),
    )
    gradient_penalty: float = option(10.0, "Weight of the critic's penalty; 0 leaves the penalty out.", minimum=0)
    consistency: float = option(
        0.0,
        "Weight of the consistency term over two passes of real samples (ct_resnet); 0 leaves the term out.",
        minimum=0,
    )

    def unused_options(self) -> dict[str, str]:
        return {} if self.gradient_penalty else {"penalty": self.as_flag("gradient_penalty")}
